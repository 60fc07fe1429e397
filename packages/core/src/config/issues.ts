import { show, showAt, pathText } from '../errors/show.ts';
import { suggest } from '../errors/suggest.ts';
import type { StandardIssue, StandardSchemaV1 } from '../plugin/schema.ts';
import { keysAt } from './schema-keys.ts';

/** One thing that is wrong with a value. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
  readonly fix: string | undefined;
}

/** What schema libraries say beyond the standard. Everything is optional: each library has its own. */
interface RichIssue extends StandardIssue {
  readonly type?: unknown;
  readonly code?: unknown;
  readonly expected?: unknown;
  readonly received?: unknown;
  /** zod: the unknown keys. */
  readonly keys?: unknown;
  /** valibot: what each member of a union said; paths start at the union. */
  readonly issues?: readonly RichIssue[] | undefined;
}

type Path = readonly (string | number)[];

/** Unknown keys that are found one at a time are looked for so often. */
const MAX_ROUNDS = 32;
const DEFAULT_TEXT = /^Invalid [a-z ]+: (Expected .+ but received|Received) /is;
const UNKNOWN_KEY = /unrecogni[sz]ed|unknown|unexpected|additional|must be removed|expected never/i;

function pathOf(issue: StandardIssue): Path {
  return (issue.path ?? []).map((part) => {
    const key = typeof part === 'object' ? part.key : part;
    return typeof key === 'symbol' ? String(key) : key;
  });
}

function at(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (inner, key) =>
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, key)
        ? (inner as Record<string | number, unknown>)[key]
        : undefined,
    value,
  );
}

function without(value: unknown, path: Path): unknown {
  const [key, ...rest] = path;
  if (key === undefined || typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item, i) => (i === Number(key) ? without(item, rest) : item));
  const entries = Object.entries(value as object);
  return Object.fromEntries(
    rest.length === 0
      ? entries.filter(([name]) => name !== String(key))
      : entries.map(([name, item]) => [name, name === String(key) ? without(item, rest) : item]),
  );
}

/** Full paths of the keys that the issue calls unknown. */
function unknownKeys(issue: RichIssue, path: Path, value: unknown): readonly Path[] {
  if (issue.code === 'unrecognized_keys' && Array.isArray(issue.keys)) {
    return issue.keys.map((key) => [...path, String(key)]);
  }
  const key = path.at(-1);
  const parent = at(value, path.slice(0, -1));
  const exists = key !== undefined && typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key);
  const said = issue.expected === 'never' || UNKNOWN_KEY.test(issue.message);
  return exists && !Array.isArray(parent) && said ? [path] : [];
}

/** The issue of a union says only that no member fits; a member that failed deeper inside says more. */
function deepest(issue: RichIssue, path: Path): { issue: RichIssue; path: Path } {
  const inner = (issue.type === 'union' || issue.type === 'variant' ? (issue.issues ?? []) : [])
    .map((one) => ({ issue: one, path: pathOf(one) }))
    .sort((a, b) => b.path.length - a.path.length)[0];
  return inner === undefined || inner.path.length === 0
    ? { issue, path }
    : deepest(inner.issue, [...path, ...inner.path]);
}

export interface ProblemOptions {
  /** What a key is called: `option`, or nothing. */
  readonly noun: string;
}

function wrongValue(issue: RichIssue, path: Path, value: unknown, noun: string): Problem {
  const received = at(value, path);
  const subject = path.length === 0 ? (noun === '' ? 'the config' : `the ${noun}s`) : `${noun} \`${pathText(path)}\``;
  const message = issue.message.trim().replace(/\.$/, '');
  const text = (): string => {
    if (received === undefined && path.length > 0) {
      return typeof issue.expected === 'string' && !issue.expected.includes('"') && !message.startsWith('must ')
        ? `${subject} is missing, expected ${issue.expected}`
        : `${subject} is missing`;
    }
    const got = `received ${showAt(received, path)}`;
    if (message.startsWith('must ')) return `${subject} ${message}, ${got}`;
    if (!DEFAULT_TEXT.test(message)) return `${subject}: ${message}${/received/i.test(message) ? '' : `, ${got}`}`;
    if (typeof issue.expected === 'string') return `${subject} must be ${issue.expected}, ${got}`;
    // valibot's actions name what they check: "Invalid integer: Received 0.5".
    const kind = /^Invalid ([\w ]+):/.exec(message)?.[1] ?? 'input';
    return `${subject} is not ${kind === 'input' ? 'valid' : `a valid ${kind}`}, ${got}`;
  };
  return { path, message: text().trim(), fix: undefined };
}

function unknownKey(path: Path, known: readonly string[], noun: string): Problem {
  const key = String(path.at(-1));
  const near = suggest(key, known);
  const parent = path.length > 1 ? ` in \`${pathText(path.slice(0, -1))}\`` : '';
  const message = `unknown ${noun || 'key'} \`${key}\`${parent}`;
  if (near !== undefined) return { path, message: `${message}, did you mean \`${near}\`?`, fix: `use \`${near}\`` };
  return {
    path,
    message,
    fix: known.length > 0 ? `use one of: ${[...known].sort().join(', ')}` : `remove \`${key}\``,
  };
}

/**
 * Validates with any Standard Schema. Unknown keys, which some libraries report one at a time, are all found.
 *
 * @returns the schema's output, or what is wrong
 */
export async function validateWith(
  schema: StandardSchemaV1,
  value: unknown,
  { noun }: ProblemOptions,
): Promise<{ readonly value: unknown } | { readonly problems: readonly Problem[] }> {
  const problems: Problem[] = [];
  const seen = new Set<string>();
  let rest = value;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const result = await schema['~standard'].validate(rest);
    if (result.issues === undefined) {
      if (problems.length === 0) return { value: result.value };
      break;
    }
    const unknown: Path[] = [];
    for (const raw of result.issues) {
      const { issue, path } = deepest(raw, pathOf(raw));
      const keys = unknownKeys(issue, path, rest);
      unknown.push(...keys);
      const found =
        keys.length > 0
          ? await Promise.all(
              keys.map(async (key) =>
                unknownKey(key, await keysAt(schema, key.slice(0, -1), without(rest, key)), noun),
              ),
            )
          : [wrongValue(issue, path, value, noun)];
      for (const problem of found) {
        const id = `${pathText(problem.path)}\0${problem.message}`;
        if (!seen.has(id)) problems.push(problem);
        seen.add(id);
      }
    }
    if (unknown.length === 0) break;
    rest = unknown.reduce(without, rest);
  }
  return { problems };
}

/** For messages about a value that has no schema. */
export const received = (value: unknown): string => `received ${show(value)}`;
