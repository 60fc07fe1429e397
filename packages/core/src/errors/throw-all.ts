import { AnnealError } from './error.ts';

/** Throws the first of several errors with the rest in `also`; does nothing without any. */
export function throwAll(errors: readonly AnnealError[]): void {
  const [first, ...rest] = errors;
  if (first === undefined) return;
  const { code, message, plugin, hook, path, file, fix, cause, also } = first;
  throw new AnnealError(code, message, { plugin, hook, path, file, fix, cause, also: [...also, ...rest] });
}
