import { AnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import { isPlugin } from '../plugin/define.ts';
import type { Plugin } from '../plugin/types.ts';
import { isFields, setIn, SetError } from './merge.ts';
import { originOf, placed } from './origin.ts';
import { resolvePlugins } from './plugins.ts';

/** Shown in place of a file name for values of `--set`. */
export const SET = '--set';

/** An override that did not come from `--set`: of a flag, of the environment. */
export interface SourcedOverride {
  /** `path=value`. */
  readonly text: string;
  /** What messages and `inspect config` call it: `ANNEAL_SEED`. */
  readonly source: string;
}

export interface Override {
  readonly path: readonly string[];
  readonly value: unknown;
  /** Shown in place of a file name. */
  readonly source: string;
}

const KEY = /\[(?:"((?:[^"\\]|\\.)*)"|(\d+))\]|\.?([^.[\]]+)/gy;

/** Keys of `a.b[0]["c.d"]`; `undefined` when it is not a path. Names of gates have dots of their own. */
function parsePath(text: string): readonly string[] | undefined {
  const keys: string[] = [];
  KEY.lastIndex = 0;
  while (KEY.lastIndex < text.length) {
    const match = KEY.exec(text);
    if (match === null) return undefined;
    keys.push(match[1] === undefined ? (match[2] ?? (match[3] as string)) : (JSON.parse(`"${match[1]}"`) as string));
  }
  return keys[0] === 'gates' && keys.length > 2 ? ['gates', keys.slice(1).join('.')] : keys;
}

/**
 * Reads `path=value`; the value is JSON, or else a text as it stands.
 *
 * @throws AnnealError `ANNEAL_E_CONFIG`
 */
export function parseOverride(given: string | SourcedOverride): Override {
  const { text, source } = typeof given === 'string' ? { text: given, source: SET } : given;
  const at = text.indexOf('=');
  const path = at < 1 ? undefined : parsePath(text.slice(0, at).trim());
  if (path === undefined || path.length === 0) {
    throw new AnnealError('ANNEAL_E_CONFIG', `an override must be path=value, received ${JSON.stringify(text)}`, {
      file: source,
      fix: 'write for example --set train.epochs=1',
    });
  }
  const raw = text.slice(at + 1);
  try {
    return { path, value: JSON.parse(raw) as unknown, source };
  } catch {
    return { path, value: raw, source };
  }
}

/** Lists of plugins are addressed by index or by the plugin's name, and what follows is a path in its options. */
async function setPlugin(
  list: readonly Plugin[],
  path: readonly string[],
  value: unknown,
  where: { readonly folder: string; readonly path: readonly string[]; readonly source: string },
  errors: AnnealError[],
): Promise<readonly Plugin[]> {
  const origin = { file: where.source, path: where.path };
  const [key, ...rest] = path;
  if (key === undefined) return resolvePlugins(value, where.folder, origin, errors);
  const index = /^\d+$/.test(key) ? Number(key) : list.findIndex((plugin) => plugin.name === key);
  const target = list[index];
  const before = list.slice(0, Math.max(index, 0));
  const after = list.slice(index + 1);
  if (target === undefined && !(index === list.length && rest.length === 0)) {
    const near = suggest(
      key,
      list.map((plugin) => plugin.name),
    );
    const names = list.map((plugin) => plugin.name).join(', ') || 'none';
    const message =
      near === undefined ? `there is no plugin \`${key}\`` : `there is no plugin \`${key}\`, did you mean \`${near}\`?`;
    errors.push(new AnnealError('ANNEAL_E_CONFIG', message, { ...origin, fix: `use an index or a name of: ${names}` }));
    return list;
  }
  // `plugins.lora={"rank":4}` means its options; `plugins.1=["lora",{"rank":4}]` the plugin.
  const isOptions = rest.length > 0 || (isFields(value) && !isPlugin(value));
  if (target === undefined || !isOptions) {
    return [...before, ...(await resolvePlugins(value, where.folder, origin, errors)), ...after];
  }
  const inside = rest[0] === 'options' || rest[0] === '1' ? rest.slice(1) : rest;
  const changed: Plugin = { ...target, options: setIn(target.options, inside, value) };
  return [...before, placed(changed, originOf(target) ?? origin), ...after];
}

/**
 * Applies overrides in order to a merged config whose plugins are resolved. What cannot be set goes to `errors`.
 */
export async function applyOverrides(
  config: unknown,
  overrides: readonly Override[],
  folder: string,
  errors: AnnealError[],
): Promise<unknown> {
  let out = config;
  for (const { path, value, source } of overrides) {
    try {
      const at = path[0] === 'plugins' ? 0 : path[0] === 'stages' && path[2] === 'plugins' ? 2 : -1;
      if (at < 0) {
        out = setIn(out, path, value);
        continue;
      }
      const listPath = path.slice(0, at + 1);
      const list = listPath.reduce<unknown>((inner, key) => (isFields(inner) ? inner[key] : undefined), out);
      const plugins = Array.isArray(list) ? (list as readonly Plugin[]) : [];
      const changed = await setPlugin(plugins, path.slice(at + 1), value, { folder, path, source }, errors);
      out = setIn(out, listPath, changed);
    } catch (error) {
      if (!(error instanceof SetError)) throw error;
      errors.push(new AnnealError('ANNEAL_E_CONFIG', error.message, { path, file: source }));
    }
  }
  return out;
}
