import { AnnealError } from '@anneal/core';
import { type Dim, type Graph, symbolsOf } from '@anneal/graph';

/** Inputs that hold the keys and values of earlier tokens. */
export const PAST: RegExp = /^past/;

/** Symbols of axes after the first that are no length of a sequence, as optimum names them. */
const IMAGE: readonly string[] = ['num_channels', 'height', 'width'];

/**
 * What each open size of the inputs becomes: `batch` on the first axis, 0 in a cache, a given number, and `sequence` for
 * all others. Exporters name them as they like (`batch_size`, `unk__0`, `s77`), and one of PyTorch names the same size
 * differently for every input.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when an input is not `[batch, …]`, or has a size that is no sequence.
 */
export function axesOf(graph: Graph, given: Readonly<Record<string, number>>): Record<string, Dim> {
  const dims: Record<string, Dim> = {};
  for (const [name, { shape }] of graph.inputs) {
    shape.forEach((dim, axis) => {
      if (typeof dim !== 'string') return;
      if (axis === 0) dims[dim] = 'batch';
      else if (PAST.test(name)) dims[dim] ??= 0;
      else if (given[dim] !== undefined) dims[dim] = given[dim];
      else if (IMAGE.includes(dim)) throw openSize(name, dim);
      else if (dims[dim] !== 'batch') dims[dim] = 'sequence';
    });
  }
  return dims;
}

/** @throws AnnealError `ANNEAL_E_MODEL` for a size that no input has. */
export function checkDims(graph: Graph, given: Readonly<Record<string, number>>): void {
  const symbols = symbolsOf(graph);
  const unknown = Object.keys(given).find((name) => !symbols.has(name));
  if (unknown === undefined) return;
  throw new AnnealError('ANNEAL_E_MODEL', `no input of the model has a size \`${unknown}\``, {
    path: ['dims', unknown],
    fix: symbols.size === 0 ? 'leave `dims` out: all sizes are fixed' : `open sizes are ${[...symbols].join(', ')}`,
  });
}

function openSize(input: string, dim: string): AnnealError {
  return new AnnealError('ANNEAL_E_MODEL', `the size \`${dim}\` of the input "${input}" is open`, {
    path: ['dims'],
    fix: `say what it is: dims: { ${dim}: 224 }`,
  });
}

/** @throws AnnealError `ANNEAL_E_MODEL` for an input that batches cannot fill. */
export function checkInputs(graph: Graph): void {
  for (const [name, { shape }] of graph.inputs) {
    if (shape[0] === 'batch') continue;
    const fixed = typeof shape[0] === 'number';
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `the input "${name}" is [${shape.join(', ')}], which is not [batch, …]${fixed ? ': its batch is fixed' : ''}`,
      { fix: 'export the model with a dynamic batch axis, and without inputs that are no data' },
    );
  }
  const decoder = [...graph.inputs.keys()].find((name) => name.startsWith('decoder_'));
  if (decoder === undefined) return;
  throw new AnnealError('ANNEAL_E_MODEL', `the input "${decoder}" is a second sequence, which is not supported`, {
    fix: 'export the encoder alone: optimum writes it as encoder_model.onnx',
  });
}
