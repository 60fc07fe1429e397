import {
  type Dim,
  type DType,
  formatError,
  type Graph,
  GraphBuilder,
  GraphError,
  type Shape,
  sizeOf,
  tensor,
  type TensorData,
  Value,
} from '@anneal/graph';

import type { Json } from '../format/json.ts';
import type { TfjsFile } from '../format/read.ts';
import { isBuffer, parameterName } from '../names.ts';
import { Traced } from '../trace/traced.ts';
import { type GraphState, OpContext, type OpRule, typeName, typeOf } from './context.ts';
import { Item } from './item.ts';
import { isAboutText, ofText, OPERATORS } from './rules/index.ts';

export interface GraphModelOptions {
  /** Numbers for sizes that the file leaves open: `sequence`, `height`, `width`. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** How operators that are not TensorFlow's own are computed, by name. */
  readonly customOps?: Readonly<Record<string, OpRule>> | undefined;
}

/** An input that stands for text: ids that something outside of the graph makes of it. */
export interface TextInput {
  /** Name of the input, int32 `[batch, sequence]`, -1 where a row has no more ids. */
  readonly name: string;
  /** Number of ids. */
  readonly buckets: number;
}

/** A graph model as a graph, and what it says of text. */
export interface GraphModel {
  readonly graph: Graph;
  readonly texts: readonly TextInput[];
  /** Class names, where an output gives them. */
  readonly labels: readonly string[] | undefined;
}

interface NodeSpec {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly place: Json;
}

const PLACEHOLDERS: ReadonlySet<string> = new Set(['Placeholder', 'PlaceholderWithDefault']);

/** Reads the operators of a graph model into a graph. */
class GraphModelReader {
  readonly #g: GraphBuilder = new GraphBuilder();
  readonly #file: TfjsFile;
  readonly #options: GraphModelOptions;
  readonly #nodes: ReadonlyMap<string, NodeSpec>;
  readonly #items = new Map<string, readonly Item[]>();
  readonly #state: GraphState;
  readonly #texts: TextInput[] = [];
  /** Names of the inputs by their nodes, as the signature has them. */
  readonly #inputNames = new Map<string, string>();

  constructor(file: TfjsFile, options: GraphModelOptions) {
    this.#file = file;
    this.#options = options;
    this.#nodes = nodesOf(file.topology);
    const decoder = new TextDecoder();
    this.#state = {
      g: this.#g,
      file: file.json.file,
      tensors: file.weights.tensors,
      texts: new Map(
        [...file.weights.texts].map(([name, { texts }]) => [name, texts.map((text) => decoder.decode(text))]),
      ),
      ids: new Map(),
      idsInput: (buckets) => {
        const name = this.#texts.length === 0 ? 'input_ids' : `input_ids_${this.#texts.length}`;
        this.#texts.push({ name, buckets });
        return this.#g.input(name, 'int32', ['batch', 'sequence']);
      },
    };
  }

  /** @throws GraphError `ANNEAL_E_FORMAT`, and of an operator that does not fit `ANNEAL_E_SHAPE` and the like. */
  read(): GraphModel {
    for (const [name, info] of this.#ports('inputs')) this.#inputNames.set(nodeOf(info.get('name').string()), name);
    const outputs = this.#outputs();
    for (const node of ordered(
      this.#nodes,
      outputs.map(({ ref }) => nodeOf(ref)),
      this.#file.json.file,
    )) {
      this.#items.set(node.name, this.#item(node));
    }
    let labels: readonly string[] | undefined;
    let count = 0;
    for (const { name, ref } of outputs) {
      const item = this.#at(ref, this.#file.topology);
      if (item.text !== undefined) {
        labels ??= item.text.strings;
        continue;
      }
      const missing = (): GraphError =>
        formatError({ file: this.#file.json.file, node: ref }, 'the output is no tensor');
      const value = item.traced(missing).last;
      this.#g.output(name, value.dtype === 'int64' ? this.#g.ops.cast(value, 'int32') : value);
      count++;
    }
    if (count === 0) throw this.#file.topology.error('has no output that is a tensor');
    return { graph: this.#g.build({ name: 'graph-model' }), texts: this.#texts, labels };
  }

  /** Inputs or outputs of the signature, by name. */
  #ports(key: 'inputs' | 'outputs'): readonly (readonly [string, Json])[] {
    const { json } = this.#file;
    const own = json.get('signature');
    const user = json.get('userDefinedMetadata');
    const signature = own.exists ? own : user.exists ? user.get('signature') : user;
    if (!signature.exists) return [];
    const ports = signature.get(key);
    return ports.exists ? ports.keys().map((name) => [name, ports.get(name)]) : [];
  }

  #outputs(): readonly { readonly name: string; readonly ref: string }[] {
    const declared = this.#ports('outputs').map(([name, info]) => ({ name, ref: info.get('name').string() }));
    if (declared.length > 0) return declared;
    const used = new Set([...this.#nodes.values()].flatMap(({ inputs }) => inputs.map(nodeOf)));
    return [...this.#nodes.keys()].filter((name) => !used.has(name)).map((name) => ({ name, ref: name }));
  }

  #at(ref: string, place: Json): Item {
    const name = nodeOf(ref);
    const index = Number(ref.slice(name.length + 1) || '0');
    const item = this.#items.get(name)?.[index];
    if (item !== undefined) return item;
    throw place.error(`there is no output ${index} of "${name}"`);
  }

  #item(node: NodeSpec): readonly Item[] {
    if (PLACEHOLDERS.has(node.op)) return [this.#input(node)];
    if (node.op === 'Const') return [this.#constant(node)];
    const inputs = node.inputs.map((ref) => this.#at(ref, node.place));
    const ctx = new OpContext(this.#state, node.name, node.op, inputs, node.place);
    const scope = node.name.split('/').slice(0, -1).join('.');
    try {
      const made = scope === '' ? this.#rule(ctx) : this.#g.scope(scope, () => this.#rule(ctx));
      const all = made instanceof Item || made instanceof Value ? [made] : made;
      return all.map((one) => (one instanceof Value ? ctx.result(one) : one));
    } catch (error) {
      if (!(error instanceof GraphError) || error.at?.['file'] !== undefined) throw error;
      const { code, message, fix, cause } = error;
      const at = { file: node.place.file, node: node.name };
      throw new GraphError(code, `${node.place.file}, node "${node.name}": ${message}`, { fix, at, cause });
    }
  }

  #rule(ctx: OpContext): Item | Value | readonly (Item | Value)[] {
    const { op } = ctx;
    const custom = this.#options.customOps;
    if (custom !== undefined && Object.hasOwn(custom, op)) return (custom[op] as OpRule)(ctx);
    const rule = Object.hasOwn(OPERATORS, op) ? (OPERATORS[op] as OpRule) : undefined;
    const isText = ctx.inputs.some(({ text }) => text !== undefined);
    if (isText && !isAboutText(op) && !mixes(ctx)) return ofText(ctx);
    if (rule !== undefined) return rule(ctx);
    throw ctx.error(
      'the operator is custom or not supported',
      'say how it is computed (customOps in importTfjs), or save the model without it',
    );
  }

  #input(node: NodeSpec): Item {
    const attr = node.place.get('attr');
    const type = attr.get('dtype').get('type');
    const shape = attr.get('shape').exists ? attr.get('shape').get('shape') : attr.get('shape');
    if (typeName(type) === 'DT_STRING') return Item.text({ origin: node.name });
    const dtype: DType = typeOf(type);
    if (!shape.exists || shape.get('unknownRank').exists)
      throw node.place.error(`the input "${node.name}" has no shape`);
    const value = this.#g.input(
      this.#inputNames.get(node.name) ?? node.name,
      dtype === 'int64' ? 'int32' : dtype,
      this.#shape(shape),
    );
    return new Item({ make: () => Traced.last(this.#g, this.#g.ops.cast(value, dtype)) });
  }

  /** Open sizes have the names by which data fills them. */
  #shape(place: Json): Shape {
    const dim = place.get('dim');
    const items = dim.exists ? dim.items() : [];
    const dims = this.#options.dims ?? {};
    return items.map((item, axis): Dim => {
      const size = item.get('size').int(0);
      if (size >= 0) return size;
      if (axis === 0) return 'batch';
      const symbol = items.length === 4 ? (axis === 1 ? 'height' : 'width') : 'sequence';
      return Object.hasOwn(dims, symbol) ? (dims[symbol] as number) : symbol;
    });
  }

  #constant(node: NodeSpec): Item {
    const { name } = node;
    const strings = this.#state.texts.get(name);
    if (strings !== undefined) return Item.text({ strings });
    const data = this.#state.tensors.get(name);
    if (data === undefined) throw formatError({ file: this.#file.json.file, tensor: name }, 'the weight is not there');
    if (data.dtype === 'float32')
      return new Item({ make: () => Traced.last(this.#g, this.#weight(name, data)), weight: data });
    if (data.dtype !== 'int32')
      return new Item({ make: () => Traced.last(this.#g, this.#g.constant(data)), weight: data });
    const numbers = Array.from(data.data as Int32Array);
    const isShort = data.shape.length <= 1 || sizeOf(data.shape) <= MAX_PAIRS;
    const make = () => Traced.last(this.#g, this.#g.constant(tensor('int64', data.shape, numbers)));
    return new Item({ make, contents: isShort ? numbers : undefined, weight: data });
  }

  /** Floats with axes are parameters, numbers alone are constants. */
  #weight(source: string, data: TensorData): Value {
    if (data.shape.length === 0) return this.#g.constant(data);
    let name = parameterName(source);
    const known = this.#g.findParameter(name);
    if (known !== undefined && known.data === data) return known.value;
    for (let n = 1; this.#g.findParameter(name) !== undefined; n++) name = `${parameterName(source)}_${n}`;
    return this.#g.parameter(name, data, { trainable: !isBuffer(name) });
  }
}

/** Paddings are pairs for each axis. */
const MAX_PAIRS = 32;

/** Where text meets tensors of the graph in an operator that is not about text alone. */
function mixes({ op, inputs }: OpContext): boolean {
  if (op === 'Select' || op === 'SelectV2') return inputs[1]?.text === undefined && inputs[2]?.text === undefined;
  return false;
}

function nodesOf(topology: Json): ReadonlyMap<string, NodeSpec> {
  const nodes = new Map<string, NodeSpec>();
  for (const place of topology.get('node').items()) {
    const name = place.get('name').string();
    if (nodes.has(name)) throw place.error(`two nodes are called "${name}"`);
    const inputs = place.get('input').exists ? place.get('input').items() : [];
    nodes.set(name, {
      name,
      op: place.get('op').string(),
      // A caret is a dependency in time alone.
      inputs: inputs.map((item) => item.string()).filter((ref) => !ref.startsWith('^')),
      place,
    });
  }
  return nodes;
}

/** The node of a reference such as `dense/Split:1`. */
function nodeOf(ref: string): string {
  return ref.replace(/:\d{1,9}$/, '');
}

/** The nodes that the outputs need, each after what it takes. */
function ordered(nodes: ReadonlyMap<string, NodeSpec>, outputs: readonly string[], file: string): readonly NodeSpec[] {
  const order: NodeSpec[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const stack: { readonly node: NodeSpec; next: number }[] = [];
  const enter = (name: string, from: string): void => {
    const node = nodes.get(name);
    if (node === undefined)
      throw formatError({ file, node: from }, `takes the output of "${name}", which does not exist`);
    const known = state.get(name);
    if (known === 'done') return;
    if (known === 'open')
      throw formatError({ file, node: name }, 'the node depends on its own output: the graph has a cycle');
    state.set(name, 'open');
    stack.push({ node, next: 0 });
  };
  for (const output of outputs) {
    enter(output, 'outputs');
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const ref = top.node.inputs[top.next++];
      if (ref !== undefined) enter(nodeOf(ref), top.node.name);
      else {
        state.set(top.node.name, 'done');
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}

/** The graph of a graph model. */
export function readGraphModel(file: TfjsFile, options: GraphModelOptions = {}): GraphModel {
  return new GraphModelReader(file, options).read();
}
