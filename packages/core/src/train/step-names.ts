/** Names of state entries. */
export const stateName = {
  parameter: (name: string): string => `param:${name}`,
  moment: (name: string, key: string): string => `opt:${name}:${key}`,
  /** Gradients of a step, or what its micro-batches have added up so far. Of no use between steps. */
  gradient: (name: string): string => `sum:gradient:${name}`,
  isSum: (entry: string): boolean => entry.startsWith('sum:'),
  average: (name: string): string => `ema:${name}`,
} as const;

/** Graph inputs that the engine itself feeds. No input of a model has such a name. */
export const FEED = {
  learningRate: 'train:learning_rate',
  step: 'train:step',
  sampleWeights: 'train:sample_weights',
  /** What the gradients of a step are to be divided by, and their norm after that. */
  weight: 'train:weight',
  gradNorm: 'train:grad_norm',
} as const;
/** Graph outputs that the engine itself reads. */
export const RESULT = {
  loss: 'loss',
  weight: 'weight',
  gradNorm: 'grad_norm',
  guard: 'guard',
} as const;
