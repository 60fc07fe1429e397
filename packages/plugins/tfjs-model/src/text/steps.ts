import type { Json } from '../format/json.ts';
import { decoded } from '../graph-model/context.ts';
import { fingerprint64 } from './fingerprint.ts';

/** How a model makes ids of a text: the runs of `ngrams` bytes, joined by `separator`, hashed. */
export interface TextSteps {
  /** Characters that are hashed together. */
  readonly ngrams: number;
  /** What is put between them. */
  readonly separator: string;
  /** Number of ids. */
  readonly buckets: number;
  /** Most ids of a text; the rest of it is left out. */
  readonly length: number;
}

/** Bytes that are hashed: {@link fingerprint64}. */
const MAX_BYTES = 16;
/** Where a model does not say how long its texts are. */
const DEFAULT_LENGTH = 10_000;

interface Found {
  readonly op: string;
  readonly name: string;
  readonly attr: Json;
}

function nodesIn(place: Json): readonly Found[] {
  if (!place.exists) return [];
  return place.items().map((node) => ({
    op: node.get('op').string(),
    name: node.get('name').string(),
    attr: node.get('attr'),
  }));
}

/**
 * What a graph model does with a text before it is ids; `undefined` where that is not known. It knows the n-grams of
 * bytes that `tf.strings.ngrams` makes of `tf.strings.bytes_split`, padded to a length, and `hash_bucket`.
 */
export function textSteps(json: Json): TextSteps | undefined {
  const topology = json.get('modelTopology');
  if (!topology.get('node').exists) return undefined;
  const library = topology.get('library');
  const functions = library.exists && library.get('function').exists ? library.get('function').items() : [];
  const inner = functions.flatMap((one) => nodesIn(one.get('nodeDef')));
  const all = [...nodesIn(topology.get('node')), ...inner];
  const hash = all.find(({ op }) => op === 'StringToHashBucketFast');
  const ngrams = all.filter(({ op }) => op === 'StringNGrams');
  const splits = all.filter(({ op }) => op === 'StringSplit');
  const [only] = ngrams;
  if (hash === undefined || only === undefined || ngrams.length !== 1 || splits.length !== 1) return undefined;
  const widths = only.attr.get('ngram_widths').get('list').get('i').items();
  const padded = ['left_pad', 'right_pad'].some(
    (key) => only.attr.get(key).exists && decoded(only.attr.get(key).get('s')) !== '',
  );
  const separator = decoded(only.attr.get('separator').get('s'));
  const width = widths.length === 1 ? (widths[0] as Json).int(undefined, 1) : 0;
  const size = width + separator.length * (width - 1);
  if (width === 0 || padded || size > MAX_BYTES) return undefined;
  const buckets = hash.attr.get('num_buckets').get('i').int(undefined, 1);
  return { ngrams: width, separator, buckets, length: lengthOf(json, new Set(inner.map(({ name }) => name))) };
}

/** Texts are padded with as many empty ones. */
function lengthOf(json: Json, inner: ReadonlySet<string>): number {
  const lengths = json
    .get('weightsManifest')
    .items()
    .flatMap((group) => group.get('weights').items())
    .filter((weight) => weight.get('dtype').value === 'string' && inner.has(weight.get('name').string()))
    .flatMap((weight) => {
      const shape = weight.get('shape').items();
      return shape.length === 1 ? shape.map((dim) => dim.int(undefined, 1)) : [];
    });
  return lengths.length === 0 ? DEFAULT_LENGTH : Math.max(...lengths);
}

/** Makes ids of texts. Those of two bytes are remembered: there are only so many. */
export function textEncoder(steps: TextSteps): (text: string, limit?: number) => Int32Array {
  const { ngrams, separator, buckets, length } = steps;
  const joint = new TextEncoder().encode(separator);
  const known = new Map<number, number>();
  const piece = new Uint8Array(ngrams + joint.length * (ngrams - 1));
  for (let i = 1; i < ngrams; i++) piece.set(joint, i + (i - 1) * joint.length);
  const idAt = (bytes: Uint8Array, at: number): number => {
    for (let i = 0; i < ngrams; i++) piece[i * (1 + joint.length)] = bytes[at + i] as number;
    return Number(fingerprint64(piece) % BigInt(buckets));
  };
  return (text, limit = length) => {
    const bytes = new TextEncoder().encode(text);
    const count = Math.min(Math.max(0, bytes.length - ngrams + 1), limit, length);
    const ids = new Int32Array(count);
    for (let at = 0; at < count; at++) {
      if (ngrams > 2) {
        ids[at] = idAt(bytes, at);
        continue;
      }
      const key = ngrams === 1 ? (bytes[at] as number) : (bytes[at] as number) * 256 + (bytes[at + 1] as number);
      let id = known.get(key);
      if (id === undefined) known.set(key, (id = idAt(bytes, at)));
      ids[at] = id;
    }
    return ids;
  };
}
