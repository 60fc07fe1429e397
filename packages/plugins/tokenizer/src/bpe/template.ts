import { problem } from '../problems.ts';

/** One place of a template: a special token, or the tokens of text A or B. */
export type TemplatePiece =
  | { readonly kind: 'special'; readonly token: string; readonly typeId: number }
  | { readonly kind: 'sequence'; readonly sequence: 'A' | 'B'; readonly typeId: number };

/** How texts and special tokens are put together, for one text and for a pair. */
export interface Template {
  /** Of one text. */
  readonly single: readonly TemplatePiece[];
  /** Of two texts. */
  readonly pair: readonly TemplatePiece[];
}

/** Sequences as they are, with nothing added: `$A`, `$A $B:1`. */
export const PLAIN_TEMPLATE: Template = { single: parseTemplate('$A'), pair: parseTemplate('$A $B:1') };

/**
 * Reads the template notation of Hugging Face tokenizers: pieces separated by spaces, `$A` and `$B` for the texts, anything
 * else a special token, each with an optional `:type`. Example: `[CLS] $A [SEP] $B:1 [SEP]:1`.
 * @throws AnnealError `TOKENIZER_E_TEMPLATE` when `$A` is missing, or a text occurs twice
 */
export function parseTemplate(template: string): TemplatePiece[] {
  const pieces = template
    .split(' ')
    .filter((piece) => piece !== '')
    .map((piece): TemplatePiece => {
      const [, name = piece, type = '0'] = /^(.+?)(?::(\d+))?$/s.exec(piece) ?? [];
      const typeId = Number(type);
      if (name === '$A' || name === '$B') return { kind: 'sequence', sequence: name === '$A' ? 'A' : 'B', typeId };
      return { kind: 'special', token: name, typeId };
    });
  const sequences = pieces.filter((piece) => piece.kind === 'sequence').map((piece) => piece.sequence);
  if (!sequences.includes('A') || new Set(sequences).size !== sequences.length) {
    throw problem(
      'TOKENIZER_E_TEMPLATE',
      `a template must hold \`$A\` once and \`$B\` at most once, received ${JSON.stringify(template)}`,
    );
  }
  return pieces;
}

/** Writes pieces in the notation that {@link parseTemplate} reads. */
export function formatTemplate(pieces: readonly TemplatePiece[]): string {
  return pieces
    .map(
      (piece) =>
        (piece.kind === 'sequence' ? `$${piece.sequence}` : piece.token) + (piece.typeId ? `:${piece.typeId}` : ''),
    )
    .join(' ');
}

/** Number of special tokens a template adds. */
export function addedBy(pieces: readonly TemplatePiece[]): number {
  return pieces.filter((piece) => piece.kind === 'special').length;
}

/**
 * Lengths to which two texts are cut so that together they have at most `room` tokens: the longer one first, then both
 * (`longest_first` of Hugging Face tokenizers).
 */
export function longestFirst(first: number, second: number, room: number): [first: number, second: number] {
  if (first + second <= room) return [first, second];
  const swap = first > second;
  let short = Math.min(first, second);
  let long = short > room ? short : Math.max(short, room - short);
  if (short + long > room) {
    short = Math.floor(room / 2);
    long = short + (room % 2);
  }
  return swap ? [long, short] : [short, long];
}
