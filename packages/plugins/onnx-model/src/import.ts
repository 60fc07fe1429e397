import { AnnealError, type JsonObject, type Model } from '@anneal/core';
import { canonicalize, type Graph, linearForm, rewrite } from '@anneal/graph';

import { axesOf, checkDims, checkInputs } from './axes.ts';
import { imageDims, labelsOf, withLabels, withLength } from './config.ts';
import { fedByData } from './feeding.ts';
import { HIDDEN, headOf, withAddedHead, withNewHead } from './head.ts';
import type { Pooling } from './options.ts';
import { withTrainable } from './trainable.ts';

/** What {@link importOnnx} is told. */
export interface ImportOnnxOptions {
  /** config.json of the model. @defaultValue `{}` */
  readonly config?: JsonObject | undefined;
  /** See {@link OnnxModelOptions.dims}. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** See {@link OnnxModelOptions.outputs}. */
  readonly outputs?: readonly string[] | undefined;
  /** Classes that the model shall have; a head of others is replaced by an untrained one. */
  readonly labels?: readonly string[] | undefined;
  /** See {@link OnnxModelOptions.head}. */
  readonly head?: 'classification' | undefined;
  /** @defaultValue `'cls'` */
  readonly pooling?: Pooling | undefined;
  /** Of new weights. @defaultValue `0` */
  readonly seed?: number | undefined;
  /** Called with what starts anew. */
  readonly onNewHead?: ((path: string) => void) | undefined;
}

/** Integer arithmetic, which has no gradient, and what makes numbers for it. */
const INTEGER_OPS: ReadonlySet<string> = new Set([
  'ConvInteger',
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'MatMulInteger',
  'MatMulIntegerToFloat',
  'MatMulNBits',
  'QLinearConv',
  'QLinearMatMul',
]);

/**
 * Makes a model that trains of a graph as exporters write it: canonical, with `batch` and `sequence` as its only open
 * sizes, without a cache of earlier tokens, linear layers as `MatMul` with the module paths of the checkpoint. Weights
 * are not read, but for those that the file holds the wrong way round.
 *
 * @throws AnnealError `ANNEAL_E_MODEL` when the graph is quantized, has inputs or outputs that are not supported, or no
 * head for the classes; GraphError when its shapes do not fit.
 */
export async function importOnnx(source: Graph, options: ImportOnnxOptions = {}): Promise<Model> {
  const { config = {}, dims = {}, labels, seed = 0 } = options;
  checkFloat(source);
  const chosen = withOutputs(source, options.outputs);
  checkDims(chosen, dims);
  const axes = axesOf(chosen, { ...imageDims(config), ...dims });
  const canonical = canonicalize(chosen, { dims: axes, cache: 'drop' }).graph;
  const plain = await linearForm(fedByData(canonical));
  checkInputs(plain);
  const headed = labels === undefined ? plain : classifier(plain, labels, { ...options, config, seed });
  const graph = withTrainable(headed);
  const pad = config['pad_token_id'];
  return {
    graph,
    config: withLength(labels === undefined ? config : withLabels(config, labels)),
    padding: graph.inputs.has('input_ids') ? { input_ids: typeof pad === 'number' ? pad : 0 } : {},
    defaults: graph.inputs.has('token_type_ids') ? { token_type_ids: 0 } : {},
  };
}

function checkFloat(graph: Graph): void {
  const node = graph.nodes.find(({ op }) => INTEGER_OPS.has(op));
  if (node !== undefined) {
    const module = node.scope === '' ? '' : ` in ${node.scope}`;
    throw new AnnealError('ANNEAL_E_MODEL', `the model is quantized, which cannot be trained: ${node.op}${module}`, {
      path: ['file'],
      fix: 'start from the float file (model.onnx), and quantize what was trained with @anneal/plugin-quantize',
    });
  }
  const types = new Set([...graph.parameters.values()].map(({ data }) => data.dtype));
  if (types.has('float32')) return;
  const received = types.size === 0 ? 'none' : [...types].join(', ');
  throw new AnnealError('ANNEAL_E_MODEL', `the model has no float32 weights to train, received ${received}`, {
    path: ['file'],
    fix: 'start from the float32 file (model.onnx)',
  });
}

/** The graph with the wanted outputs and what they need. */
function withOutputs(graph: Graph, wanted: readonly string[] | undefined): Graph {
  const known = [...graph.outputs.keys()];
  const kept = wanted ?? (graph.outputs.has('logits') ? ['logits'] : known);
  const missing = kept.find((name) => !graph.outputs.has(name));
  if (missing !== undefined) {
    throw new AnnealError('ANNEAL_E_MODEL', `the model has no output "${missing}", received ${known.join(', ')}`, {
      path: ['outputs'],
      fix: 'name outputs of the file',
    });
  }
  if (kept.length === known.length) return graph;
  return rewrite({ ...graph, outputs: new Map([...graph.outputs].filter(([name]) => kept.includes(name))) }, {});
}

interface Classes extends ImportOnnxOptions {
  readonly config: JsonObject;
  readonly seed: number;
}

/** The graph with `logits` for the classes. */
function classifier(graph: Graph, labels: readonly string[], options: Classes): Graph {
  const { config, seed, head: wanted, pooling = 'cls', onNewHead } = options;
  const logits = graph.outputs.get('logits');
  if (logits === undefined) {
    const has = graph.outputs.has(HIDDEN);
    if (has && wanted === 'classification') {
      onNewHead?.('classifier');
      return withAddedHead({ graph, config, seed }, labels.length, pooling);
    }
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `the task classifies and the model has no output "logits", received ${[...graph.outputs.keys()].join(', ')}`,
      {
        path: ['head'],
        fix: has ? "let it have a new head: head: 'classification'" : 'export the model with a classification head',
      },
    );
  }
  const head = headOf(graph, logits);
  if (logits.rank !== 2) {
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `the task classifies whole rows and \`logits\` has ${logits.rank} axes: values for every token`,
      { fix: 'export the model with a head for sequence classification, or give it a task for tokens' },
    );
  }
  if (labelsOf(config)?.join('\0') === labels.join('\0') && logits.shape[1] === labels.length) return graph;
  if (head === undefined) {
    throw new AnnealError(
      'ANNEAL_E_MODEL',
      `the model has other classes (${labelsOf(config)?.join(', ') ?? logits.shape[1]}) than the task ` +
        `(${labels.join(', ')}), and no linear layer at its end that could be replaced`,
      { fix: "export it without its head, and let it have a new one: head: 'classification'" },
    );
  }
  onNewHead?.(head.weight.replace(/\.weight$/, ''));
  return withNewHead(graph, head, labels.length, config, seed);
}
