import { type Dim, formatError, type Graph, GraphBuilder, GraphError, type Shape } from '@anneal/graph';

import type { TfjsFile } from '../format/read.ts';
import type { Json } from '../format/json.ts';
import { Traced } from '../trace/traced.ts';
import { LayerContext, type LayerRule } from './context.ts';
import { layerRule } from './rules/index.ts';
import { WeightIndex } from './weight-index.ts';

export interface LayersOptions {
  /** Numbers for sizes that the file leaves open: `sequence`, `height`, `width`. */
  readonly dims?: Readonly<Record<string, number>> | undefined;
  /** How layers that their author defined are computed, by class name. */
  readonly customLayers?: Readonly<Record<string, LayerRule>> | undefined;
}

const MODELS: ReadonlySet<string> = new Set(['Sequential', 'Model', 'Functional']);

/** A call of a layer: Keras counts them, because a layer that is shared has several. */
interface Call {
  readonly layer: Json;
  /** Which outputs of which calls it takes. */
  readonly inputs: readonly string[];
}

/** Reads the layers of a model into a graph. */
class LayersReader {
  readonly #g: GraphBuilder = new GraphBuilder();
  readonly #file: TfjsFile;
  readonly #weights: WeightIndex;
  readonly #options: LayersOptions;

  constructor(file: TfjsFile, options: LayersOptions) {
    this.#file = file;
    this.#weights = new WeightIndex(file.weights.tensors);
    this.#options = options;
  }

  /** @throws GraphError `ANNEAL_E_FORMAT`, and of a layer that does not fit `ANNEAL_E_SHAPE` and the like. */
  read(): Graph {
    const { topology } = this.#file;
    const config = topology.get('model_config');
    const root = config.exists ? config : topology;
    const names = new Set<string>();
    for (const { name, value } of this.#model(root, [], undefined)) {
      let own = name;
      for (let n = 1; names.has(own); n++) own = `${name}_${n}`;
      names.add(own);
      this.#g.output(own, value.last);
    }
    return this.#g.build({
      name: root.get('config').isArray ? 'sequential' : root.get('config').get('name').string('model'),
    });
  }

  /** A model, on given inputs or on those that it declares. */
  #model(model: Json, scope: readonly string[], given: readonly Traced[] | undefined): readonly Output[] {
    const name = model.get('class_name').string();
    if (!MODELS.has(name)) throw model.get('class_name').error(`must be Sequential or Functional, received "${name}"`);
    if (name === 'Sequential') return this.#sequential(model.get('config'), scope, given);
    return this.#functional(model.get('config'), scope, given);
  }

  #sequential(config: Json, scope: readonly string[], given: readonly Traced[] | undefined): readonly Output[] {
    const layers = (config.isArray ? config : config.get('layers')).items();
    const [first] = layers;
    if (first === undefined) throw config.error('has no layers');
    let current = given;
    let last = '';
    for (const layer of layers) {
      const own = layer.get('config');
      last = nameOf(layer);
      if (layer.get('class_name').string() === 'InputLayer') {
        current ??= [this.#input(layer)];
        continue;
      }
      current ??= [this.#input(own.get('batch_input_shape').exists ? layer : config, `${last}_input`)];
      current = this.#layer(layer, scope, current);
    }
    const values = current as readonly Traced[];
    return values.map((value) => ({ name: last, value }));
  }

  #functional(config: Json, scope: readonly string[], given: readonly Traced[] | undefined): readonly Output[] {
    const calls = callsOf(config);
    const inputs = refsOf(config.get('input_layers'));
    if (given !== undefined && given.length !== inputs.length) {
      throw config.error(`the model takes ${inputs.length} inputs, received ${given.length}`);
    }
    const values = new Map<string, readonly Traced[]>();
    inputs.forEach(({ call }, i) => {
      const input = given?.[i];
      if (input !== undefined) values.set(call, [input]);
    });
    for (const [key, call] of ordered(calls, config)) {
      if (values.has(key)) continue;
      if (call.layer.get('class_name').string() === 'InputLayer') {
        values.set(key, [this.#input(call.layer)]);
        continue;
      }
      const args = call.inputs.map((ref) => valueOf(values, ref, config));
      values.set(key, this.#layer(call.layer, scope, args));
    }
    return refsOf(config.get('output_layers')).map(({ call, name, index }) => ({
      name,
      value: valueOf(values, `${call}:${index}`, config),
    }));
  }

  #layer(layer: Json, scope: readonly string[], inputs: readonly Traced[]): readonly Traced[] {
    const name = nameOf(layer);
    const path = [...scope, name];
    const type = layer.get('class_name').string();
    try {
      return this.#g.scope(name, () => {
        if (MODELS.has(type)) return this.#model(layer, path, inputs).map(({ value }) => value);
        const custom = this.#options.customLayers;
        const rule =
          custom !== undefined && Object.hasOwn(custom, type) ? (custom[type] as LayerRule) : layerRule(layer);
        const result = rule(inputs, new LayerContext(this.#g, path, layer.get('config'), this.#weights));
        return result instanceof Traced ? [result] : result;
      });
    } catch (error) {
      if (!(error instanceof GraphError) || error.at?.['file'] !== undefined) throw error;
      const { code, message, fix, cause } = error;
      const at = { file: layer.file, node: name };
      throw new GraphError(code, `${layer.file}, node "${path.join('.')}": ${message}`, { fix, at, cause });
    }
  }

  #input(layer: Json, name: string = nameOf(layer)): Traced {
    const config = layer.get('class_name').exists ? layer.get('config') : layer;
    const place = [config.get('batch_input_shape'), config.get('batch_shape'), config.get('build_input_shape')].find(
      ({ exists }) => exists,
    );
    if (place === undefined) {
      throw config.error('says no shape of its input (batch_input_shape)', 'save the model after it was built');
    }
    const type = config.get('dtype').string('float32');
    const dtype = type === 'int32' || type === 'int64' ? 'int32' : type === 'bool' ? 'bool' : 'float32';
    return Traced.last(this.#g, this.#g.input(name, dtype, this.#shape(place)));
  }

  /** Open sizes have the names by which data fills them. */
  #shape(place: Json): Shape {
    const items = place.items();
    const dims = this.#options.dims ?? {};
    return items.map((item, axis): Dim => {
      if (axis === 0) return 'batch';
      if (item.exists) return item.int(undefined, 1);
      const symbol = items.length === 4 ? (axis === 1 ? 'height' : 'width') : 'sequence';
      return Object.hasOwn(dims, symbol) ? (dims[symbol] as number) : symbol;
    });
  }
}

/** An output of a model, by the layer that gives it. */
interface Output {
  readonly name: string;
  readonly value: Traced;
}

function nameOf(layer: Json): string {
  const own = layer.get('name');
  return own.exists ? own.string() : layer.get('config').get('name').string();
}

/**
 * All calls by `layer:number`. Calls of a nested model are counted from 1, because the model itself is its first, or from
 * 0 by writers that leave it out: those refer to 0.
 */
function callsOf(config: Json): ReadonlyMap<string, Call> {
  const layers = config.get('layers').items();
  const nodesOf = new Map<Json, readonly (readonly Ref[])[]>();
  const referred = new Set(refsOf(config.get('output_layers')).map(({ call }) => call));
  for (const layer of layers) {
    const place = layer.get('inbound_nodes');
    const nodes = (place.exists ? place.items() : []).map((node) => {
      if (!node.isObject) return refsOf(node);
      throw node.error(
        'is of Keras 3, which TensorFlow.js cannot read',
        'save the model as Keras 2 does it (tf-keras)',
      );
    });
    nodesOf.set(layer, nodes);
    for (const { call } of nodes.flat()) referred.add(call);
  }
  const calls = new Map<string, Call>();
  for (const [layer, nodes] of nodesOf) {
    const name = nameOf(layer);
    const isModel = MODELS.has(layer.get('class_name').string());
    const start = isModel && !referred.has(`${name}:0`) ? 1 : 0;
    const all = nodes.length === 0 ? [[]] : nodes;
    all.forEach((refs, i) => {
      const key = `${name}:${i + start}`;
      if (calls.has(key)) throw layer.error(`two layers are called "${name}"`);
      calls.set(key, { layer, inputs: refs.map(({ call, index }) => `${call}:${index}`) });
    });
  }
  return calls;
}

interface Ref {
  readonly call: string;
  readonly name: string;
  readonly index: number;
}

/** References `[layer, call, output]`, one or a list. */
function refsOf(place: Json): readonly Ref[] {
  const items = place.items();
  if (items.length > 0 && typeof items[0]?.value === 'string') return [refOf(place)];
  return items.map(refOf);
}

function refOf(place: Json): Ref {
  const [layer, call, index, args] = place.items();
  if (layer === undefined || call === undefined || index === undefined) {
    throw place.error('must be a layer, the number of its call, and that of its output');
  }
  if (args?.isObject === true && args.keys().length > 0) {
    throw args.error(`the arguments ${args.keys().join(', ')} of a call are not supported`);
  }
  const name = layer.string();
  return { call: `${name}:${call.int(undefined, 0)}`, name, index: index.int(undefined, 0) };
}

/** The calls in an order in which each comes after what it takes. */
function* ordered(calls: ReadonlyMap<string, Call>, config: Json): Generator<readonly [string, Call]> {
  const waiting = new Map<string, number>();
  const users = new Map<string, string[]>();
  const ready: string[] = [];
  for (const [key, { inputs }] of calls) {
    const needs = new Set(inputs.map((ref) => ref.slice(0, ref.lastIndexOf(':'))));
    waiting.set(key, needs.size);
    if (needs.size === 0) ready.push(key);
    for (const need of needs) {
      if (!calls.has(need)) throw config.error(`"${key}" takes the output of "${need}", which does not exist`);
      const list = users.get(need);
      if (list === undefined) users.set(need, [key]);
      else list.push(key);
    }
  }
  let done = 0;
  for (let at = 0; at < ready.length; at++, done++) {
    const key = ready[at] as string;
    yield [key, calls.get(key) as Call];
    for (const user of users.get(key) ?? []) {
      const left = (waiting.get(user) as number) - 1;
      waiting.set(user, left);
      if (left === 0) ready.push(user);
    }
  }
  if (done < calls.size) {
    const stuck = [...waiting].find(([, left]) => left > 0)?.[0] ?? '';
    throw formatError({ file: config.file, node: stuck }, 'the layer depends on its own output: the model has a cycle');
  }
}

function valueOf(values: ReadonlyMap<string, readonly Traced[]>, ref: string, config: Json): Traced {
  const at = ref.lastIndexOf(':');
  const found = values.get(ref.slice(0, at))?.[Number(ref.slice(at + 1))];
  if (found !== undefined) return found;
  throw config.error(`there is no output ${ref.slice(at + 1)} of "${ref.slice(0, at)}"`);
}

/** The graph of a layers model: one input for each of its own, outputs named by the layers that give them. */
export function readLayers(file: TfjsFile, options: LayersOptions = {}): Graph {
  return new LayersReader(file, options).read();
}
