import type { Artifacts, JsonObject, JsonValue } from '@anneal/core';

/** What the task must know of the tokenizer. */
export interface Vocabulary {
  /** The token that ends a text. */
  readonly eos: number | undefined;
  /** Bytes of text by token, 0 for special ones; `undefined` when the tokens are not made of bytes. */
  readonly bytes: Uint16Array | undefined;
}

/** Reads the artifacts of the tokenizer plugin, where there are any. */
export function vocabularyOf(artifacts: Artifacts): Vocabulary {
  const read = (name: string): JsonObject => (artifacts.has(name) ? artifacts.json<JsonObject>(name) : {});
  const eos = object(read('tokenizer/summary.json')['roles'])['eos'];
  return { eos: typeof eos === 'number' ? eos : undefined, bytes: bytesOf(read('tokenizer.json')) };
}

function bytesOf(tokenizer: JsonObject): Uint16Array | undefined {
  // The pieces of byte-level BPE are spelt with a character for every byte (Radford et al., 2019).
  if (object(tokenizer['decoder'])['type'] !== 'ByteLevel') return undefined;
  const sizes: number[] = [];
  const vocabulary = Object.entries(object(object(tokenizer['model'])['vocab']));
  for (const [token, id] of vocabulary) sizes[id as number] = [...token].length;
  const added = tokenizer['added_tokens'];
  for (const entry of Array.isArray(added) ? (added as readonly JsonValue[]) : []) {
    const { id, content, special } = object(entry);
    if (typeof id !== 'number' || typeof content !== 'string') continue;
    sizes[id] = special === true ? 0 : new TextEncoder().encode(content).length;
  }
  return Uint16Array.from(sizes);
}

function object(value: JsonValue | undefined): JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as JsonObject) : {};
}
