import { AnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import type { Plugin } from './types.ts';

/** Who provides what, beside the plugins of a stage: names of plugins and packages that an error can suggest. */
export type Providers = (what: string) => Promise<readonly string[]>;

/** Packages of ours that provide something: only to be named in errors. */
const KNOWN: Readonly<Record<string, readonly string[]>> = { tokenizer: ['`tokenizer` of @anneal/plugin-tokenizer'] };

/** Everything that a plugin of a stage requires and none provides. */
export async function unmetRequirements(
  stage: string,
  plugins: readonly Plugin[],
  providers: Providers,
): Promise<readonly AnnealError[]> {
  const provided = new Set(plugins.flatMap(({ provides = [] }) => provides));
  const errors: AnnealError[] = [];
  for (const { name, requires = [] } of plugins) {
    for (const what of requires) {
      if (provided.has(what)) continue;
      const known = await providers(what);
      const candidates = known.length > 0 ? known : (KNOWN[what] ?? []);
      const near = candidates.length > 0 ? undefined : suggest(what, [...provided, ...Object.keys(KNOWN)]);
      const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
      const message = `needs \`${what}\`, which no plugin of stage \`${stage}\` provides${hint}`;
      errors.push(
        new AnnealError('ANNEAL_E_REQUIRES', message, {
          plugin: name,
          fix:
            candidates.length > 0
              ? `add ${candidates.join(', or ')}`
              : `add a plugin whose documentation says that it provides \`${what}\``,
        }),
      );
    }
  }
  return errors;
}
