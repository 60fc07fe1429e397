import { isFloat } from '../../dtype.ts';
import { upgradedOpsets } from '../../canonicalize/opset/index.ts';
import type { Graph, UnknownFields } from '../../ir.ts';
import { byteLengthOf, type ByteSource, loadTensor, type TensorData, type TensorSource } from '../../tensor.ts';
import { formatError } from '../error.ts';
import { type OpenExternal, TensorReader, valueTypeOf } from './from-proto.ts';
import { fromProps, looksLikeParameter, META } from './metadata.ts';
import type { ModelProto, ValueInfoProto } from './proto/onnx_pb.ts';
import { Replay } from './replay.ts';
import { refuseSparse } from './replay-checks.ts';
import { scanModel, type ScannedTensor } from './scan.ts';

/** How {@link readOnnx} finds what is not in the file. */
export interface ReadOnnxOptions {
  /**
   * Opens a file that holds external data; `location` is relative to the model's folder and has been checked not to
   * leave it by name. Needed for models that have such files.
   */
  readonly external?: OpenExternal | undefined;
  /**
   * Inputs to fix to a value: they become constants, and branches that depend on them are decided. With this or `dims`,
   * integers and conditions that follow from shapes are computed.
   */
  readonly inputs?: Readonly<Record<string, TensorData>> | undefined;
  /** Numbers for symbolic dimensions of inputs. Those that have no name are `unknown_0`, `unknown_1` … in order. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
}

interface Stored {
  readonly name: string;
  readonly data: TensorSource;
  readonly facts: Readonly<Record<string, string>>;
  readonly unknown: UnknownFields | undefined;
}

/**
 * Reads an ONNX model. The file's weights are not read: parameters are lazy tensors over `source` or the external
 * files. Types are inferred anew; an operator that Anneal has no rule for needs them in the file (`value_info`).
 *
 * Initializers above 1 KiB, and float ones with at least one axis, are parameters; the others, and `Constant` nodes up
 * to 1 KiB, are constants. Parameters get the module paths of the checkpoint that they came from where the file tells:
 * PyTorch's `onnx::MatMul_12`, used by the node `/model/layers.0/q_proj/MatMul`, is `model.layers.0.q_proj.weight`.
 * Nodes of operator sets before 21 get the form that they have in 21 (attributes that became inputs and the like), which
 * is what the graph then says. Model-local functions are inlined, and of an `If` whose condition is known the branch
 * that it selects; other `If`, `Loop` and `Scan` keep their inner graphs. `CastLike` becomes `Cast`. Sequences that are known
 * while reading become the tensors in them. Nodes that no output needs are left out.
 *
 * @throws GraphError `ANNEAL_E_FORMAT` when the file is damaged, not ONNX, or uses what is not supported (sequences
 * that depend on data, strings); it names file, tensor or node, and byte offset. `ANNEAL_E_SHAPE`, `ANNEAL_E_DTYPE` and
 * `ANNEAL_E_OP` when a node does not fit its operator.
 */
export async function readOnnx(source: ByteSource, options: ReadOnnxOptions = {}): Promise<Graph> {
  const { model, graph, initializers } = await scanModel(source);
  refuseSparse(graph, { file: source.name });
  const opsets = opsetsOf(model, source.name);
  const replay = new Replay(source.name, model, opsets, (options.inputs ?? options.dims) !== undefined);
  const stored = await readInitializers(source, initializers, options.external);
  const names = new Set(stored.map(({ name }) => name));
  replay.names.add(graph.node);
  replay.names.describe(graph.metadataProps);
  for (const symbol of graph.input.flatMap(symbolsOf)) replay.symbols.reserve(symbol);
  for (const info of graph.input) if (!names.has(info.name)) defineInput(replay, source.name, info, options);
  defineStored(replay, stored);
  replay.run(graph);
  const { g } = replay;
  const outputs = new Set<string>();
  for (const { name } of graph.output) {
    const value = replay.top.find(name);
    if (value === undefined) throw formatError({ file: source.name, tensor: name }, 'nothing produces this output');
    if (outputs.has(name)) throw formatError({ file: source.name, tensor: name }, 'two outputs have this name');
    if (replay.isSequence(value)) throw formatError({ file: source.name, tensor: name }, 'an output is a sequence');
    outputs.add(name);
    g.output(name, value);
  }
  return g.build({
    name: graph.name,
    opsets: upgradedOpsets(opsets),
    metadata: fromProps(model.metadataProps),
    unknown: model.$unknown,
  });
}

/** The newest version of ai.onnx that ONNX Runtime 1.30 accepts. */
const NEWEST_OPSET = 26;

function opsetsOf(model: ModelProto, file: string): Record<string, number> {
  const opsets = new Map<string, number>();
  if (model.opsetImport.length === 0 && model.irVersion >= 3n) {
    throw formatError({ file }, 'the model does not say its operator sets: truncated?');
  }
  for (const { domain, version } of model.opsetImport) {
    if (version < 1n || version > 1_000_000n) throw formatError({ file }, `operator set version ${version}`);
    const name = domain === 'ai.onnx' ? '' : domain;
    if (name === '' && version > NEWEST_OPSET) {
      throw formatError(
        { file },
        `operator set ${version} of ai.onnx is newer than ${NEWEST_OPSET}, the last that is known`,
        { fix: `export the model with operator set ${NEWEST_OPSET} or an older one` },
      );
    }
    opsets.set(name, Number(version));
  }
  return Object.fromEntries(opsets);
}

async function readInitializers(
  source: ByteSource,
  initializers: readonly ScannedTensor[],
  external: OpenExternal | undefined,
): Promise<Stored[]> {
  const reader = new TensorReader(source, external);
  const stored: Stored[] = [];
  for (const scanned of initializers) {
    const { name, metadataProps, $unknown: unknown } = scanned.proto;
    if (name === '') throw formatError({ file: source.name, offset: scanned.offset }, 'a tensor without a name');
    stored.push({ name, data: await reader.read(scanned), facts: fromProps(metadataProps), unknown });
  }
  // Constants are needed to infer shapes.
  return Promise.all(
    stored.map(async (item) => (isParameter(item) ? item : { ...item, data: await loadTensor(item.data) })),
  );
}

function isParameter({ data, facts }: Stored): boolean {
  const kind = facts[META.kind];
  if (kind === 'parameter') return true;
  if (kind === 'constant') return false;
  return looksLikeParameter(isFloat(data.dtype), data.shape.length, byteLengthOf(data.dtype, data.shape));
}

function symbolsOf({ type }: ValueInfoProto): string[] {
  const dims = type?.value.case === 'tensorType' ? (type.value.value.shape?.dim ?? []) : [];
  return dims.flatMap(({ value }) => (value.case === 'dimParam' ? [value.value] : []));
}

function defineInput(replay: Replay, file: string, info: ValueInfoProto, options: ReadOnnxOptions): void {
  const { name } = info;
  if (name === '') throw formatError({ file }, 'an input has no name');
  const fixed = options.inputs && Object.hasOwn(options.inputs, name) ? options.inputs[name] : undefined;
  if (fixed) return replay.define(name, replay.g.constant(fixed, name));
  const type = valueTypeOf(info, file, () => replay.symbols.fresh());
  if (type === undefined) {
    throw formatError(
      { file, tensor: name },
      'the input is not a tensor of known rank, which is all that is supported',
    );
  }
  const { dims = {} } = options;
  const shape = type.shape.map((dim) =>
    typeof dim === 'string' && Object.hasOwn(dims, dim) ? (dims[dim] ?? dim) : dim,
  );
  if (replay.top.has(name)) throw formatError({ file, tensor: name }, 'two inputs have this name');
  replay.symbols.match(type.shape, shape);
  replay.define(name, replay.g.input(name, type.dtype, shape));
}

function defineStored(replay: Replay, stored: readonly Stored[]): void {
  // Names that the file gives come first, those that are derived make way.
  const given = stored.map(({ facts }) => {
    const name = facts[META.name];
    return name === undefined ? undefined : { name: replay.names.reserve(name), transposed: false };
  });
  stored.forEach((item, i) => {
    const { name, data, facts, unknown } = item;
    if (!isParameter(item)) return replay.define(name, replay.g.constant(data as TensorData, name));
    const identity = given[i] ?? replay.names.identify(name, data.shape.length);
    const value = replay.g.parameter(identity.name, data, {
      trainable: facts[META.trainable] === 'true',
      transposed: identity.transposed || facts[META.transposed] === 'true',
      unknown,
    });
    replay.define(name, value);
  });
}
