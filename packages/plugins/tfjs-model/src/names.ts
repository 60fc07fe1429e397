/** What Keras calls weights, in the words of the checkpoints that other plugins know. */
const LEAVES: Readonly<Record<string, string>> = {
  kernel: 'weight',
  kernels: 'weight',
  weights: 'weight',
  embeddings: 'weight',
  embedding_weights: 'weight',
  gamma: 'weight',
  beta: 'bias',
  biases: 'bias',
  bias_weights: 'bias',
  moving_mean: 'running_mean',
  moving_variance: 'running_var',
};

/** What an operator of a graph model reads, where the variable's own name was lost: `dense/MatMul/ReadVariableOp`. */
const READERS: Readonly<Record<string, string>> = {
  MatMul: 'weight',
  Tensordot: 'weight',
  Conv2D: 'weight',
  depthwise: 'weight',
  BiasAdd: 'bias',
  embedding_lookup: 'weight',
};

/**
 * The name of a parameter: a module path with `weight` or `bias` at its end, so that patterns such as
 * `targetModules: ['dense_1']` mean layers. `dense_1/kernel` becomes `dense_1.weight`.
 */
export function parameterName(name: string): string {
  const parts = name.replace(/:\d+$/, '').split('/').filter(Boolean);
  if (/^ReadVariableOp(?:_\d+)?$/.test(parts.at(-1) ?? '')) parts.pop();
  if (parts[0] === 'StatefulPartitionedCall' && parts.length > 1) parts.shift();
  const last = parts.at(-1) ?? '';
  const leaf = own(LEAVES, last) ?? (parts.length > 1 ? own(READERS, last) : undefined) ?? last;
  return [...parts.slice(0, -1), leaf].join('.') || name;
}

function own(table: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Weights that are no weights to train: statistics of normalisations. */
export function isBuffer(name: string): boolean {
  return /(?:^|\.)running_(?:mean|var)$/.test(name);
}
