import { AnnealError, isAnnealError } from '../errors/error.ts';

/** The error of a function that returns a promise where nobody waits for it. */
export function asyncTap(plugin: string, hook: string): AnnealError {
  const message = `\`${hook}\` is synchronous, received a function that returns a promise`;
  const fix = `do the asynchronous part earlier, e.g. in \`${hook.split('.')[0]}.before…\`, and keep the result in \`api.state\``;
  return new AnnealError('ANNEAL_E_ASYNC_TAP', message, { plugin, hook, fix });
}

/** Whether somebody would have to wait for a value. */
export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** The error with other details, and itself as the cause. */
export function copyOf(
  error: AnnealError,
  changes: Partial<Pick<AnnealError, 'plugin' | 'hook' | 'also'>>,
): AnnealError {
  const { code, message, plugin, hook, path, file, fix, also } = error;
  return new AnnealError(code, message, { plugin, hook, path, file, fix, also, ...changes, cause: error });
}

/** The error with the plugin and the hook on it; a coded error keeps its code and its fix. */
export function attributed(error: unknown, plugin: string, hook: string): AnnealError {
  if (isAnnealError(error)) {
    // What a tap of another plugin threw, called from within this one, stays with that other.
    const known = error.plugin !== undefined && (error.hook !== undefined || error.plugin !== plugin);
    if (known || error.code === 'ANNEAL_E_ABORTED') return error;
    return copyOf(error, { plugin, hook });
  }
  const message = error instanceof Error ? error.message : String(error);
  return new AnnealError('ANNEAL_E_HOOK', `threw in ${hook}: ${message}`, { plugin, hook, cause: error });
}
