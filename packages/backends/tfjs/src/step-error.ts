import type { GraphErrorCode } from '@anneal/graph';

/** A step that failed, as data that can cross a thread. */
export class StepError extends Error {
  readonly op: string;
  /** Module path; `''` when unknown. */
  readonly module: string;
  /** Of an error that has one. */
  readonly code: GraphErrorCode | undefined;
  readonly fix: string | undefined;

  constructor(
    message: string,
    where: { op: string; module: string; code?: GraphErrorCode | undefined; fix?: string | undefined },
  ) {
    super(message);
    this.op = where.op;
    this.module = where.module;
    this.code = where.code;
    this.fix = where.fix;
  }
}
