import { decodeFloat } from '../../float16.ts';

/** Turns one block, at `at` in `bytes`, into floats at `to` in `out`. */
export type Dequantize = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

function half(bytes: Uint8Array, at: number): number {
  return decodeFloat((bytes[at] as number) | ((bytes[at + 1] as number) << 8), 'float16');
}

function int8(bytes: Uint8Array, at: number): number {
  return ((bytes[at] as number) << 24) >> 24;
}

/**
 * Blocks of 32 with one scale and, where `offset` is absent, one minimum: 4 bits in 16 bytes, the first half of the
 * block in the low nibbles, and with `fifth` a fifth bit of each element in four bytes before them.
 */
function nibbles({ fifth, offset }: { fifth: boolean; offset: number | undefined }): Dequantize {
  return (bytes, at, out, to) => {
    const scale = half(bytes, at);
    const min = half(bytes, at + 2);
    const high = at + (offset === undefined ? 4 : 2);
    const low = high + (fifth ? 4 : 0);
    for (let i = 0; i < 32; i++) {
      const pair = bytes[low + (i % 16)] as number;
      const four = i < 16 ? pair & 15 : pair >> 4;
      const bit = fifth ? (((bytes[high + (i >> 3)] as number) >> (i & 7)) & 1) << 4 : 0;
      const value = four | bit;
      out[to + i] = offset === undefined ? value * scale + min : (value - offset) * scale;
    }
  };
}

const q8: Dequantize = (bytes, at, out, to) => {
  const scale = half(bytes, at);
  for (let i = 0; i < 32; i++) out[to + i] = int8(bytes, at + 2 + i) * scale;
};

/** Scale and minimum of the `i`-th of eight runs of 32: six bits each, packed into twelve bytes. */
function packedScale(bytes: Uint8Array, at: number, i: number): readonly [scale: number, min: number] {
  const byte = (j: number): number => bytes[at + j] as number;
  if (i < 4) return [byte(i) & 63, byte(i + 4) & 63];
  return [(byte(i + 4) & 15) | ((byte(i - 4) >> 6) << 4), (byte(i + 4) >> 4) | ((byte(i) >> 6) << 4)];
}

/** Super-blocks of 256: eight runs of 32 with a scale and a minimum each; `fifth` adds a bit to every element. */
function superBlock(fifth: boolean): Dequantize {
  return (bytes, at, out, to) => {
    const [scale, min] = [half(bytes, at), half(bytes, at + 2)];
    const high = at + 16;
    const low = high + (fifth ? 32 : 0);
    for (let run = 0; run < 8; run++) {
      const [factor, shift] = packedScale(bytes, at + 4, run);
      const [d, m] = [scale * factor, min * shift];
      for (let i = 0; i < 32; i++) {
        // Two runs share 32 bytes: the first has the low nibbles.
        const pair = bytes[low + (run >> 1) * 32 + i] as number;
        const four = run % 2 === 0 ? pair & 15 : pair >> 4;
        const bit = fifth ? (((bytes[high + i] as number) >> run) & 1) << 4 : 0;
        out[to + run * 32 + i] = d * (four | bit) - m;
      }
    }
  };
}

/** 256 elements of six bits: four low ones in 128 bytes, two high ones in 64, sixteen scales of eight bits, one scale. */
const q6k: Dequantize = (bytes, at, out, to) => {
  const scale = half(bytes, at + 208);
  for (let i = 0; i < 256; i++) {
    const [part, within] = [i >> 7, i & 127];
    const [quarter, l] = [within >> 5, within & 31];
    const pair = bytes[at + part * 64 + (quarter % 2) * 32 + l] as number;
    const four = quarter < 2 ? pair & 15 : pair >> 4;
    const two = ((bytes[at + 128 + part * 32 + l] as number) >> (2 * quarter)) & 3;
    const factor = int8(bytes, at + 192 + part * 8 + quarter * 2 + (l >> 4));
    out[to + i] = scale * factor * ((four | (two << 4)) - 32);
  }
};

/** Block types that can be read, by name. The layouts are those of ggml-quants. */
export const DEQUANTIZE: Readonly<Record<string, Dequantize>> = {
  Q4_0: nibbles({ fifth: false, offset: 8 }),
  Q4_1: nibbles({ fifth: false, offset: undefined }),
  Q5_0: nibbles({ fifth: true, offset: 16 }),
  Q5_1: nibbles({ fifth: true, offset: undefined }),
  Q8_0: q8,
  Q4_K: superBlock(false),
  Q5_K: superBlock(true),
  Q6_K: q6k,
};
