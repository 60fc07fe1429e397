/**
 * The reversible spelling of bytes as printable characters (Radford et al., 2019, GPT-2 `bytes_to_unicode`):
 * printable Latin-1 bytes stand for themselves, the other 68 become U+0100 … U+0143 in byte order.
 */
const FIRST_STAND_IN = 0x100;

function isPrintable(byte: number): boolean {
  return (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae;
}

let codePoints: Uint16Array | undefined;
let bytes: Map<number, number> | undefined;

/** Code point that spells each byte: `table[byte]`, 256 entries. */
export function byteCodePoints(): Uint16Array {
  if (codePoints) return codePoints;
  let standIn = FIRST_STAND_IN;
  codePoints = Uint16Array.from({ length: 256 }, (_, byte) => (isPrintable(byte) ? byte : standIn++));
  return codePoints;
}

/** The 256 characters of the byte-level alphabet, in byte order. */
export function byteAlphabet(): string[] {
  return Array.from(byteCodePoints(), (code) => String.fromCharCode(code));
}

/** The bytes a byte-level token spells, or `undefined` when a character of it spells no byte. */
export function tokenToBytes(token: string): Uint8Array | undefined {
  bytes ??= new Map(Array.from(byteCodePoints(), (code, byte) => [code, byte]));
  const out = new Uint8Array(token.length);
  for (let i = 0; i < token.length; i++) {
    const byte = bytes.get(token.charCodeAt(i));
    if (byte === undefined) return undefined;
    out[i] = byte;
  }
  return out;
}

/** Spells bytes as one byte-level string. */
export function bytesToToken(source: Uint8Array): string {
  const table = byteCodePoints();
  let token = '';
  for (const byte of source) token += String.fromCharCode(table[byte]!);
  return token;
}

/**
 * Writes `text[start, end)` as UTF-8 at `out[0…]` and returns the number of bytes.
 * A lone surrogate becomes U+FFFD, as `TextEncoder` does. `out` needs three bytes a UTF-16 unit.
 */
export function writeUtf8(text: string, start: number, end: number, out: Uint8Array): number {
  let at = 0;
  for (let i = start; i < end; i++) {
    let code = text.charCodeAt(i);
    if (code < 0x80) {
      out[at++] = code;
      continue;
    }
    if (code < 0x800) {
      out[at++] = 0xc0 | (code >> 6);
      out[at++] = 0x80 | (code & 0x3f);
      continue;
    }
    if (code >= 0xd800 && code <= 0xdfff) {
      const low = code < 0xdc00 && i + 1 < end ? text.charCodeAt(i + 1) : 0;
      if (low >= 0xdc00 && low <= 0xdfff) {
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        i++;
        out[at++] = 0xf0 | (code >> 18);
        out[at++] = 0x80 | ((code >> 12) & 0x3f);
        out[at++] = 0x80 | ((code >> 6) & 0x3f);
        out[at++] = 0x80 | (code & 0x3f);
        continue;
      }
      code = 0xfffd;
    }
    out[at++] = 0xe0 | (code >> 12);
    out[at++] = 0x80 | ((code >> 6) & 0x3f);
    out[at++] = 0x80 | (code & 0x3f);
  }
  return at;
}
