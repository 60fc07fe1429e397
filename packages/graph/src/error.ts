/** Codes of the errors that this package throws; each has a section in docs/reference/errors.md. */
export type GraphErrorCode =
  | 'ANNEAL_E_SHAPE'
  | 'ANNEAL_E_DTYPE'
  | 'ANNEAL_E_OP'
  | 'ANNEAL_E_GRAPH'
  | 'ANNEAL_E_NOT_DIFFERENTIABLE'
  | 'ANNEAL_E_FORMAT'
  | 'ANNEAL_E_SYMBOLIC_DIM'
  | 'ANNEAL_E_BACKEND';

/** What an error knows besides code and message. */
export interface GraphErrorDetails {
  /** One line: what to do about it. */
  readonly fix?: string | undefined;
  /** Where: node, module path, file, byte offset … */
  readonly at?: Readonly<Record<string, string | number>> | undefined;
  /** What was caught. */
  readonly cause?: unknown;
}

/** An error with a code and data, for programs and for people. Core's `AnnealError` has the same fields. */
export class GraphError extends Error {
  /** As errors of core: `isAnnealError` recognises both. */
  override readonly name: string = 'AnnealError';
  /** What went wrong, for programs. */
  readonly code: GraphErrorCode;
  /** One line: what to do about it. */
  readonly fix: string | undefined;
  /** Where: a module path, a file, an offset. */
  readonly at: Readonly<Record<string, string | number>> | undefined;

  constructor(code: GraphErrorCode, message: string, details: GraphErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.fix = details.fix;
    this.at = details.at;
  }
}
