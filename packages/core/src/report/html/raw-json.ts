import type { JsonValue } from '../../json.ts';
import { clip } from './text.ts';

const WIDTH = 100;
/** Longer lists and texts are cut; `report.json` has them whole. */
const MAX_ITEMS = 100;
const MAX_STRING = 500;
const MAX_CHARACTERS = 300_000;
const MAX_INDENT = 60;

/** JSON for reading: what fits on a line is on one line, long lists are cut and say so. */
export function readableJson(value: unknown): string {
  // As `report.json` has it: without `undefined`, with `null` for what is no number.
  const text = lines(JSON.parse(JSON.stringify(value)) as JsonValue, '');
  return text.length > MAX_CHARACTERS ? `${clip(text, MAX_CHARACTERS)}\n… the rest is in report.json` : text;
}

function lines(value: JsonValue, indent: string): string {
  if (typeof value === 'string') return JSON.stringify(clip(value, MAX_STRING));
  if (typeof value !== 'object' || value === null) return String(value);
  if (indent.length > MAX_INDENT) return '…';
  const inner = `${indent}  `;
  const isList = Array.isArray(value);
  const entries = isList ? (value as readonly JsonValue[]).map((own) => ['', own] as const) : Object.entries(value);
  const shown = entries
    .slice(0, MAX_ITEMS)
    .map(([name, own]) => `${isList ? '' : `${JSON.stringify(name)}: `}${lines(own as JsonValue, inner)}`);
  const more = entries.length - shown.length;
  if (more > 0) shown.push(`… ${more} more in report.json`);
  const [open, close] = isList ? '[]' : '{}';
  if (shown.length === 0) return `${open}${close}`;
  const pad = isList ? '' : ' ';
  const line = `${open}${pad}${shown.join(', ')}${pad}${close}`;
  if (line.length + indent.length <= WIDTH && !line.includes('\n')) return line;
  return `${open}\n${shown.map((text) => inner + text).join(',\n')}\n${indent}${close}`;
}
