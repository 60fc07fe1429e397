/** What `--json` says about an error. */
export function errorJson(error: unknown): object {
  const { code, message, plugin, hook, path, file, fix, also } = error as Record<string, unknown>;
  const rest = Array.isArray(also) && also.length > 0 ? { also: also.map(errorJson) } : {};
  return { type: 'error', code, message, plugin, hook, path, file, fix, ...rest };
}
