import { GraphError, scopeOfNodeName } from '@anneal/graph';

/** What is known of the program that failed. */
export interface FailureContext {
  readonly action: 'compile' | 'run';
  readonly label: string;
  /** Module path of the first node of each operator: the runtime does not always say which node it is. */
  readonly modules: ReadonlyMap<string, string>;
}

interface KnownFailure {
  readonly pattern: RegExp;
  readonly fix: string;
}

const LOST = 'the device is gone, and the state on it: open a new backend and resume from the last checkpoint';

/** Messages of ONNX Runtime 1.30 that a user can do something about; the first that fits. */
const KNOWN: readonly KnownFailure[] = [
  {
    pattern:
      /bad allocation|bad_alloc|Failed to allocate memory|Cannot allocate memory|out of memory|invalid typed array length/i,
    fix: 'it needs more memory than there is: use smaller batches or shorter sequences',
  },
  {
    pattern: /Could not find an implementation for|Failed to find kernel/,
    fix: 'the runtime has no kernel for this element type: cast to float32 before it',
  },
  {
    pattern: /is not a registered function\/op|No Op registered for/,
    fix: 'the runtime does not have this operator: compose it of others, or raise the opset of the graph',
  },
  {
    pattern: /External data path|external data.*(?:escape|outside|director)/i,
    fix: 'load the model with @anneal/graph, which reads weights from any folder',
  },
  {
    pattern: /dimension mismatch|Attempting to broadcast|cannot be reshaped|Invalid input shape|Got invalid dimensions/,
    fix: 'shapes of the feeds do not fit together: dimensions with one name must be equal',
  },
  { pattern: /out of data bounds|out of bounds/, fix: 'an index is outside the tensor that it selects from' },
  { pattern: /device (?:is |was )?lost|CUDA failure (?:4|46|100|700|719|999)\b|DXGI_ERROR_DEVICE/i, fix: LOST },
  {
    pattern: /requires f16 but the device does not support it/,
    fix: "this device has no half precision: use float32, or `device: 'cpu'`",
  },
  {
    pattern: /not supported yet|Unsupported OrtValue type/,
    fix: "this device cannot compute that: use `device: 'cpu'`",
  },
  { pattern: /Opset \d+ is under development/, fix: 'the runtime reads graphs up to opset 26' },
];

/** Where ONNX Runtime puts a node's name, and an operator's. */
const NODE_NAMES: readonly RegExp[] = [/node with name '([^']+)'/i, /Name:'([^']+)'/, /Node \(([^)\s]+)\)/];
const OPERATORS: readonly RegExp[] = [
  /implementation for (\w+)\(/,
  /(\w+)\(-?\d+\) is not a registered/,
  /Op \((\w+)\)/,
];

/** The runtime's error with what we know about it. Errors that have a code already stay as they are. */
export function runtimeError(error: unknown, { action, label, modules }: FailureContext): GraphError {
  if (error instanceof GraphError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const node = firstMatch(NODE_NAMES, message);
  const op = firstMatch(OPERATORS, message);
  const module = node === undefined ? (modules.get(op ?? '') ?? '') : scopeOfNodeName(node);
  const at = { program: label, ...(node !== undefined && { node }), ...(module !== '' && { module }) };
  const where = module === '' ? '' : ` in ${module}`;
  return new GraphError('ANNEAL_E_BACKEND', `cannot ${action} "${label}"${where}: ${readable(message)}`, {
    fix: KNOWN.find(({ pattern }) => pattern.test(message))?.fix,
    at,
    cause: error,
  });
}

function firstMatch(patterns: readonly RegExp[], message: string): string | undefined {
  return patterns.map((pattern) => pattern.exec(message)?.[1]).find((found) => found !== undefined);
}

/** Without the runtime's boilerplate, source positions and C++ signatures. */
export function readable(message: string): string {
  const cuda = /CUDA failure \d+: [^;]*/.exec(message)?.[0];
  if (cuda !== undefined) return cuda.trim();
  const [, op, status] = /while running (\w+) node\. Name:'[^']*' Status Message: (.*)/s.exec(message) ?? [];
  const text = (status ?? message)
    .replace(/^\S+\.(?:cc|h):\d+\s+/, '')
    .replace(/^[^(]*\bonnxruntime::[^(]*\([^)]*\)(?: const)?\s+/, '')
    .trim();
  return op === undefined ? text : `${op}: ${text}`;
}
