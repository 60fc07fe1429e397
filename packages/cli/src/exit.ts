/** Codes of what the user can put right before anything runs. */
const USAGE_CODES = new Set([
  'ANNEAL_E_USAGE',
  'ANNEAL_E_CONFIG',
  'ANNEAL_E_CONFIG_LOAD',
  'ANNEAL_E_CONFIG_NOT_FOUND',
  'ANNEAL_E_OPTIONS',
  'ANNEAL_E_PLUGIN',
  'ANNEAL_E_PLUGIN_NOT_FOUND',
  'ANNEAL_E_REQUIRES',
  'ANNEAL_E_VERSION',
  'ANNEAL_E_DEPRECATED',
  // A gate that cannot be judged; one that is not met is no error but a result.
  'ANNEAL_E_GATE',
]);

export const EXIT: { readonly ok: 0; readonly failed: 1; readonly usage: 2; readonly gate: 3; readonly stopped: 130 } =
  {
    ok: 0,
    failed: 1,
    usage: 2,
    gate: 3,
    stopped: 130,
  };

/** The exit code for something that was thrown. */
export function exitCodeOf(error: unknown): number {
  const code = (error as { code?: unknown } | undefined)?.code;
  if (typeof code !== 'string') return EXIT.failed;
  if (code === 'ANNEAL_E_ABORTED') return EXIT.stopped;
  return USAGE_CODES.has(code) ? EXIT.usage : EXIT.failed;
}
