/** What is wrong with flags, answers or the folder; has a `cause` when a file could not be written. */
export class CreateError extends Error {
  /** Tells it from other errors. */
  override readonly name = 'CreateError';
  /** What to do about it. */
  readonly fix: string;
  /** A value that is none of those known, to suggest the near one. */
  readonly unknown: { readonly value: string; readonly known: readonly string[] } | undefined;

  constructor(
    message: string,
    details: ErrorOptions & { readonly fix: string; readonly unknown?: CreateError['unknown'] },
  ) {
    super(message, details);
    this.fix = details.fix;
    this.unknown = details.unknown;
  }
}
