import { AnnealError, type ErrorDetails } from '@anneal/core';

/** What can be wrong with an audit or its description. */
const PROBLEMS = {
  BIAS_AUDIT_E_MODULE_NOT_FOUND: 'a package of names is not installed',
  BIAS_AUDIT_E_MODULE_FAILED: 'a package of names failed to load',
  BIAS_AUDIT_E_MODULE_SHAPE: 'a package of names did not give a list of strings',
  BIAS_AUDIT_E_GROUP: 'a group has fewer than two names that belong to it alone',
  BIAS_AUDIT_E_TASK: 'the task is not classification',
  BIAS_AUDIT_E_LABEL: 'the positive class is not a class of the task, or is not given where there are more than two',
  BIAS_AUDIT_E_COLUMN: 'no row has text in the given column',
  BIAS_AUDIT_E_OUTPUT: 'the model gives no usable `logits`',
} as const;

/** Codes of everything that can be wrong with an audit. */
export type BiasAuditCode = keyof typeof PROBLEMS;

/** Every code with one line of explanation. */
export const BIAS_AUDIT_CODES: Readonly<Record<BiasAuditCode, string>> = PROBLEMS;

/** An error of this plugin. */
export function problem(code: BiasAuditCode, message: string, details: ErrorDetails = {}): AnnealError {
  return new AnnealError(code, message, { plugin: 'bias-audit', ...details });
}

/** Up to `limit` items as `"a", "b", …` for a message. */
export function listed(items: Iterable<string>, limit: number = 12): string {
  const all = [...items];
  const shown = all.slice(0, limit).map((item) => `"${item}"`);
  return shown.join(', ') + (all.length > limit ? ` and ${all.length - limit} more` : '');
}
