import * as v from 'valibot';

import { GPT2_PATTERN } from '../bpe/pretokenize.ts';
import { parseTemplate, type Template, type TemplatePiece } from '../bpe/template.ts';
import type { TextRules } from '../bpe/text.ts';
import { idSchema, unsupported, validate, type Path } from './validate.ts';

/** A processing step of a tokenizer file. */
export interface Step {
  type: string;
  [key: string]: unknown;
}
export const stepSchema: v.GenericSchema<Step> = v.looseObject({ type: v.string() });
type MaybeStep = Step | null | undefined;

const pieceSchema = v.union([
  v.object({ SpecialToken: v.object({ id: v.string(), type_id: idSchema }) }),
  v.object({ Sequence: v.object({ id: v.picklist(['A', 'B']), type_id: idSchema }) }),
]);
const templateSchema = v.looseObject({ single: v.array(pieceSchema), pair: v.array(pieceSchema) });
const endsSchema = v.looseObject({ cls: v.tuple([v.string(), idSchema]), sep: v.tuple([v.string(), idSchema]) });

/** Steps of a `Sequence`, or the one step there is. */
function stepsOf(step: MaybeStep, key: string, path: Path): Step[] {
  if (!step) return [];
  return step.type === 'Sequence' ? validate(v.array(stepSchema), step[key], [...path, key]) : [step];
}

const FORMS: readonly string[] = ['NFC', 'NFD', 'NFKC', 'NFKD'];

function isSigma(step: Step): boolean {
  const { type, pattern, content } = step;
  return type === 'Replace' && JSON.stringify({ pattern, content }) === '{"pattern":{"String":"Σ"},"content":"σ"}';
}

/** A Unicode normalisation form, then lower-casing; each may be missing. */
export function readNormalizer(normalizer: MaybeStep): TextRules {
  const path = ['normalizer'];
  const rules: TextRules = {};
  for (const step of stepsOf(normalizer, 'normalizers', path)) {
    if (FORMS.includes(step.type) && !rules.normalization && !rules.lowercase) {
      rules.normalization = step.type as NonNullable<TextRules['normalization']>;
    } else if (step.type === 'Lowercase') {
      rules.lowercase = true;
    } else if (!isSigma(step)) {
      throw unsupported(`\`${step.type}\` here`, path);
    }
  }
  return rules;
}

/** `Split` with a pattern that the scanner knows, or the `Digits` that means the same. */
function knownSplit(step: Step): 'digits' | 'words' | undefined {
  if (step.type === 'Digits') return step['individual_digits'] === true ? 'digits' : undefined;
  const isolated = step['behavior'] === 'Isolated' && step['invert'] !== true;
  if (step.type !== 'Split' || !isolated) return undefined;
  const pattern = (step['pattern'] as { Regex?: unknown } | undefined)?.Regex;
  return pattern === GPT2_PATTERN ? 'words' : pattern === '\\p{N}' ? 'digits' : undefined;
}

/** `ByteLevel`, by itself or after splits. */
export function readPreTokenizer(preTokenizer: MaybeStep): TextRules {
  const path = ['pre_tokenizer'];
  const steps = stepsOf(preTokenizer, 'pretokenizers', path);
  const byteLevel = steps.pop();
  if (byteLevel?.type !== 'ByteLevel') throw unsupported('anything but `ByteLevel` at the end', path);
  const splits = steps.map(knownSplit);
  const unknown = splits.indexOf(undefined);
  if (unknown >= 0) throw unsupported(`\`${steps[unknown]!.type}\` with these settings`, path);
  const splitsWords = splits.includes('words');
  const usesPattern = byteLevel['use_regex'] !== false;
  if (usesPattern === splitsWords) throw unsupported('splitting words twice or not at all', path);
  if (splitsWords && splits.at(-1) !== 'words') throw unsupported('splitting digits after words', path);
  const addPrefixSpace = byteLevel['add_prefix_space'] !== false;
  if (addPrefixSpace && splits.length > 0) throw unsupported('`add_prefix_space` after a split', path);
  return { ...(addPrefixSpace && { addPrefixSpace }), ...(splits.includes('digits') && { individualDigits: true }) };
}

function readPieces(pieces: v.InferOutput<typeof templateSchema>['single']): TemplatePiece[] {
  return pieces.map((piece) =>
    'Sequence' in piece
      ? { kind: 'sequence', sequence: piece.Sequence.id, typeId: piece.Sequence.type_id }
      : { kind: 'special', token: piece.SpecialToken.id, typeId: piece.SpecialToken.type_id },
  );
}

/** `cls` and `sep` of the two processors that older files have in place of a template. */
function readEnds(step: Step, pair: string): Template {
  const { cls, sep } = validate(endsSchema, step, ['post_processor']);
  const named = (template: string): TemplatePiece[] =>
    parseTemplate(template).map((piece) =>
      piece.kind === 'special' ? { ...piece, token: piece.token === 'CLS' ? cls[0] : sep[0] } : piece,
    );
  return { single: named('CLS $A SEP'), pair: named(pair) };
}

/** The template of the post-processor; `undefined` when it adds nothing. */
export function readTemplate(postProcessor: MaybeStep): Template | undefined {
  const path = ['post_processor'];
  let template: Template | undefined;
  for (const step of stepsOf(postProcessor, 'processors', path)) {
    // `ByteLevel` only moves offsets here.
    if (step.type === 'ByteLevel') continue;
    if (template) throw unsupported('more than one template', path);
    if (step.type === 'TemplateProcessing') {
      const { single, pair } = validate(templateSchema, step, path);
      template = { single: readPieces(single), pair: readPieces(pair) };
    } else if (step.type === 'BertProcessing') {
      template = readEnds(step, 'CLS $A SEP $B:1 SEP:1');
    } else if (step.type === 'RobertaProcessing') {
      template = readEnds(step, 'CLS $A SEP SEP $B SEP');
    } else {
      throw unsupported(`\`${step.type}\``, path);
    }
  }
  return template;
}

/** Only a `ByteLevel` decoder gives the text back. */
export function readDecoder(decoder: MaybeStep): void {
  const steps = stepsOf(decoder, 'decoders', ['decoder']);
  if (steps.length !== 1 || steps[0]!.type !== 'ByteLevel') throw unsupported('anything but `ByteLevel`', ['decoder']);
}
