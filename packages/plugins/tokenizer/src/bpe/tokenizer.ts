import { tokenToBytes } from './bytes.ts';
import { IdList, MergeRules, MOST_MERGES } from './merge.ts';
import { problem } from '../problems.ts';
import {
  addedBy,
  formatTemplate,
  longestFirst,
  PLAIN_TEMPLATE,
  type Template,
  type TemplatePiece,
} from './template.ts';
import { checkRules, normalizeText, splitText, type TextRules } from './text.ts';
import type { Vocabulary } from './train.ts';
import { WordEncoder } from './words.ts';

/** A token that stands for itself wherever its spelling occurs in a text, before any other rule. */
export interface AddedToken {
  /** Number in the vocabulary. */
  readonly id: number;
  /** As it stands in a text. */
  readonly content: string;
  /** Left out by {@link Tokenizer.decode} on request. @defaultValue `true` */
  readonly special?: boolean | undefined;
  /** Takes the white space before it. @defaultValue `false` */
  readonly lstrip?: boolean | undefined;
  /** Takes the white space after it. @defaultValue `false` */
  readonly rstrip?: boolean | undefined;
}

/** What a special token is for. */
export type TokenRole = 'pad' | 'unk' | 'cls' | 'sep' | 'mask' | 'bos' | 'eos';

/** Everything a {@link Tokenizer} is made of. Plain data: it can be stored, compared and sent to a worker. */
export interface TokenizerDefinition extends Vocabulary {
  /** What is done to a text before it is split. */
  readonly rules: TextRules;
  /** Tokens that are not merged, special ones included. */
  readonly added: readonly AddedToken[];
  /** Special tokens by role. */
  readonly roles: Readonly<Partial<Record<TokenRole, string>>>;
  /** Stands for a byte that has no token; such bytes are dropped without one. */
  readonly unknown?: string | undefined;
  /** @defaultValue the texts as they are */
  readonly template?: Template | undefined;
  /** Most tokens of an encoding, special tokens included. @defaultValue no limit */
  readonly maxLength?: number | undefined;
}

/** How {@link Tokenizer.encode} works. */
export interface EncodeOptions {
  /** Second text, for models that read two. */
  pair?: string | undefined;
  /** Most tokens, special tokens included; the end is cut off. @defaultValue `maxLength` of the definition */
  maxLength?: number | undefined;
  /** @defaultValue `true` */
  addSpecialTokens?: boolean | undefined;
}

/** Tokens of a text. */
export interface Encoding {
  /** Token ids. */
  readonly ids: Int32Array;
  /** Which text each token is of, as the template says: 0 or 1. */
  readonly typeIds: Int32Array;
}

/** How {@link Tokenizer.decode} works. */
export interface DecodeOptions {
  /** @defaultValue `true` */
  skipSpecialTokens?: boolean | undefined;
}

function requireId(ids: ReadonlyMap<string, number>, token: string, where: string): number {
  const id = ids.get(token);
  if (id !== undefined) return id;
  throw problem('TOKENIZER_E_VOCABULARY', `${where} names the token ${JSON.stringify(token)}, which has no id`);
}

function checkTemplate({ single, pair }: Template, ids: ReadonlyMap<string, number>): void {
  for (const piece of [...single, ...pair]) if (piece.kind === 'special') requireId(ids, piece.token, 'the template');
  const holds = (pieces: readonly TemplatePiece[], sequence: 'A' | 'B'): boolean =>
    pieces.some((piece) => piece.kind === 'sequence' && piece.sequence === sequence);
  if (!holds(single, 'A') || holds(single, 'B') || !holds(pair, 'A') || !holds(pair, 'B')) {
    throw problem(
      'TOKENIZER_E_TEMPLATE',
      `expected \`$A\` in the template for one text and \`$A\` and \`$B\` in that for a pair, ` +
        `received ${JSON.stringify([formatTemplate(single), formatTemplate(pair)])}`,
    );
  }
}

function addedPattern(added: readonly AddedToken[]): RegExp | undefined {
  if (added.length === 0) return undefined;
  const escape = (text: string): string => text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
  const longestLast = [...added].sort((a, b) => b.content.length - a.content.length);
  return new RegExp(longestLast.map(({ content }) => escape(content)).join('|'), 'g');
}

/** A byte-level BPE tokenizer: texts to ids and back. Decoding an encoding gives the text back unless a rule changes it. */
export class Tokenizer {
  /** What it was made from. */
  readonly definition: TokenizerDefinition;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #words: WordEncoder;
  readonly #added: ReadonlyMap<string, AddedToken>;
  readonly #specialIds: ReadonlySet<number>;
  readonly #addedPattern: RegExp | undefined;
  readonly #template: Template;
  readonly #tokenBytes: Array<Uint8Array | undefined> = [];

  /** @throws AnnealError `TOKENIZER_E_VOCABULARY` or `TOKENIZER_E_TEMPLATE` when the definition contradicts itself */
  constructor(definition: TokenizerDefinition) {
    this.definition = definition;
    const { tokens, merges, added, roles, template, rules } = definition;
    checkRules(rules);
    const ids = new Map(tokens.map((token, id) => [token, id]));
    if (merges.length > MOST_MERGES) {
      throw problem('TOKENIZER_E_VOCABULARY', `expected at most ${MOST_MERGES} merges, received ${merges.length}`);
    }
    const mergeRules = new MergeRules(
      merges.map(([left, right]) => {
        const joined = requireId(ids, left + right, 'a merge');
        return [requireId(ids, left, 'a merge'), requireId(ids, right, 'a merge'), joined] as const;
      }),
    );
    const unknown = definition.unknown === undefined ? undefined : requireId(ids, definition.unknown, '`unknown`');
    this.#words = new WordEncoder(ids, mergeRules, unknown);
    for (const { content, id } of added) ids.set(content, id);
    this.#ids = ids;
    this.#added = new Map(added.map((token) => [token.content, token]));
    this.#specialIds = new Set(added.filter(({ special }) => special ?? true).map(({ id }) => id));
    this.#addedPattern = addedPattern(added);
    this.#template = template ?? PLAIN_TEMPLATE;
    for (const [role, token] of Object.entries(roles)) requireId(ids, token, `role \`${role}\``);
    checkTemplate(this.#template, ids);
  }

  /** Number of ids, added tokens included. */
  get vocabSize(): number {
    const { tokens, added } = this.definition;
    return added.reduce((size, { id }) => Math.max(size, id + 1), tokens.length);
  }

  /** Id of a token as the vocabulary spells it. */
  idOf(token: string): number | undefined {
    return this.#ids.get(token);
  }

  /** Id of the token with a role, such as padding. */
  roleId(role: TokenRole): number | undefined {
    const token = this.definition.roles[role];
    return token === undefined ? undefined : this.#ids.get(token);
  }

  /** Turns a text, or two, into token ids by the template. */
  encode(text: string, options: EncodeOptions = {}): Encoding {
    const { pair, maxLength = this.definition.maxLength ?? Infinity, addSpecialTokens = true } = options;
    const all = pair === undefined ? this.#template.single : this.#template.pair;
    const pieces = addSpecialTokens ? all : all.filter((piece) => piece.kind === 'sequence');
    const room = maxLength - addedBy(pieces);
    if (!(room >= 0 && (room === Infinity || Number.isInteger(room)))) {
      throw problem(
        'TOKENIZER_E_OPTION',
        `\`maxLength\` must be an integer with room for ${addedBy(pieces)} special tokens, received ${maxLength}`,
        { path: ['maxLength'] },
      );
    }
    const first = this.#tokenize(text, pair === undefined ? room : Infinity);
    if (pair === undefined) return assemble(pieces, first.data, Math.min(first.length, room), first.data, 0, this.#ids);
    const second = this.#tokenize(pair, Infinity);
    const [a, b] = longestFirst(first.length, second.length, room);
    return assemble(pieces, first.data, a, second.data, b, this.#ids);
  }

  /**
   * Turns ids back into text. Bytes that are not valid UTF-8 (a token sequence cut inside a character) become U+FFFD.
   * @throws AnnealError `TOKENIZER_E_ID` when an id is not in the vocabulary
   */
  decode(ids: ArrayLike<number>, { skipSpecialTokens = true }: DecodeOptions = {}): string {
    const parts: Uint8Array[] = [];
    let length = 0;
    for (let i = 0; i < ids.length; i++) {
      const id = ids[i]!;
      if (skipSpecialTokens && this.#specialIds.has(id)) continue;
      const bytes = this.#bytesOf(id);
      parts.push(bytes);
      length += bytes.length;
    }
    const whole = new Uint8Array(length);
    let at = 0;
    for (const part of parts) {
      whole.set(part, at);
      at += part.length;
    }
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(whole);
  }

  #bytesOf(id: number): Uint8Array {
    const known = this.#tokenBytes[id];
    if (known) return known;
    const added = this.definition.added.find((token) => token.id === id);
    const token = added?.content ?? this.definition.tokens[id];
    if (token === undefined) {
      throw problem('TOKENIZER_E_ID', `expected a token id in [0, ${this.vocabSize}), received ${id}`);
    }
    const bytes = (added ? undefined : tokenToBytes(token)) ?? new TextEncoder().encode(token);
    this.#tokenBytes[id] = bytes;
    return bytes;
  }

  /** Ids of a text without template, at least the first `enough` of them. */
  #tokenize(text: string, enough: number): IdList {
    const out = new IdList();
    let from = 0;
    for (const match of this.#addedPattern ? text.matchAll(this.#addedPattern) : []) {
      if (match.index < from) continue;
      const token = this.#added.get(match[0])!;
      let end = match.index + match[0].length;
      const before = text.slice(from, match.index);
      if (!this.#plain(token.lstrip ? before.trimEnd() : before, enough, out)) return out;
      out.push(token.id);
      if (token.rstrip) end = text.length - text.slice(end).trimStart().length;
      from = end;
    }
    this.#plain(from === 0 ? text : text.slice(from), enough, out);
    return out;
  }

  /** Ids of a text in which no added token occurs. Returns whether more are wanted. */
  #plain(text: string, enough: number, out: IdList): boolean {
    if (out.length >= enough) return false;
    if (text === '') return true;
    const { rules } = this.definition;
    const normal = normalizeText(text, rules);
    if (normal === '') return true;
    return splitText(normal, rules, (source, start, end) => {
      this.#words.append(source, start, end, out);
      return out.length < enough;
    });
  }
}

function assemble(
  pieces: readonly TemplatePiece[],
  first: Int32Array,
  firstLength: number,
  second: Int32Array,
  secondLength: number,
  idOf: ReadonlyMap<string, number>,
): Encoding {
  const ids = new Int32Array(firstLength + secondLength + addedBy(pieces));
  const typeIds = new Int32Array(ids.length);
  let at = 0;
  for (const piece of pieces) {
    const from = at;
    if (piece.kind === 'special') {
      ids[at++] = idOf.get(piece.token)!;
    } else {
      const isFirst = piece.sequence === 'A';
      ids.set((isFirst ? first : second).subarray(0, isFirst ? firstLength : secondLength), at);
      at += isFirst ? firstLength : secondLength;
    }
    typeIds.fill(piece.typeId, from, at);
  }
  return { ids, typeIds };
}
