import { GraphError, type GraphErrorCode } from '@anneal/graph';

/** What an executor says of a step that failed; a thread hands it over as plain data. */
interface Failure {
  readonly message?: unknown;
  readonly op?: unknown;
  readonly module?: unknown;
  readonly code?: unknown;
  readonly fix?: unknown;
}

interface KnownFailure {
  readonly pattern: RegExp;
  readonly fix: string;
}

/** Messages that a user can do something about; the first that fits. */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern: /out of memory|allocation|memory access out of bounds|invalid typed array length/i,
    fix: 'it needs more memory than there is: use smaller batches or shorter sequences',
  },
  { pattern: /outside an axis|index value/, fix: 'an index is outside the tensor that it selects from' },
  { pattern: /has no kernel|no kernel/, fix: 'use another device, or the backend `onnx`' },
];

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

/** The error with what is known about it. Errors that have a code already stay as they are. */
export function runtimeError(error: unknown, action: 'compile' | 'run', label: string): GraphError {
  if (error instanceof GraphError) return error;
  const { message, op, module, code, fix } = error as Failure;
  const said = text(message) ?? String(error);
  const where = text(module) === undefined ? '' : ` in ${text(module)}`;
  const what = text(op) === undefined ? '' : `${text(op)}: `;
  return new GraphError(
    (text(code) as GraphErrorCode | undefined) ?? 'ANNEAL_E_BACKEND',
    `cannot ${action} "${label}"${where}: ${what}${said}`,
    {
      fix: text(fix) ?? KNOWN.find(({ pattern }) => pattern.test(said))?.fix,
      at: {
        program: label,
        ...(text(op) !== undefined && { op: text(op) as string }),
        ...(text(module) !== undefined && { module: text(module) as string }),
      },
      cause: error,
    },
  );
}
