import type { GraphBuilder, GraphError, Ops, TensorData, Value } from '@anneal/graph';
import { formatError } from '@anneal/graph';

import type { Json } from '../format/json.ts';
import { isBuffer, parameterName } from '../names.ts';
import { permuted } from '../trace/windows.ts';
import type { Traced } from '../trace/traced.ts';
import type { WeightIndex } from './weight-index.ts';

/** Makes the outputs of a layer from its inputs. */
export type LayerRule = (inputs: readonly Traced[], layer: LayerContext) => Traced | readonly Traced[];

/** What a rule sees of its layer. */
export class LayerContext {
  /** The graph being built. */
  readonly g: GraphBuilder;
  /** Of the graph being built. */
  readonly ops: Ops;
  /** Of the layer. */
  readonly name: string;
  /** Of the layer, as the file has it. */
  readonly config: Json;
  /** Names of the models and wrappers around the layer, then its own: where its weights are looked for. */
  readonly scope: readonly string[];
  readonly #weights: WeightIndex;

  constructor(g: GraphBuilder, scope: readonly string[], config: Json, weights: WeightIndex) {
    this.g = g;
    this.ops = g.ops;
    this.scope = scope;
    this.name = scope.at(-1) ?? '';
    this.config = config;
    this.#weights = weights;
  }

  /** The context of a layer inside of this one, as wrappers have it. */
  within(name: string, config: Json): LayerContext {
    return new LayerContext(this.g, [...this.scope, name], config, this.#weights);
  }

  /** The weights of this layer under the name of the wrapper around it. */
  asWrapped(config: Json): LayerContext {
    return new LayerContext(this.g, this.scope, config, this.#weights);
  }

  /** An error that names the layer. */
  error(message: string, fix?: string): GraphError {
    return formatError({ file: this.config.file, node: this.name }, message, { ...(fix !== undefined && { fix }) });
  }

  /** Whether the file says something of a key. */
  has(weight: string): boolean {
    return this.#weights.find(this.scope, weight) !== undefined;
  }

  /** A weight of the layer as a parameter; layers that are used twice share it. `form` changes how it is laid out. */
  weight(weight: string, form?: (data: TensorData) => TensorData): Value {
    const found = this.#weights.find(this.scope, weight);
    if (found === undefined) {
      throw this.error(`the weight "${weight}" is not in the file`, 'save the model again: its weights are incomplete');
    }
    const name = parameterName(found.name);
    const known = this.g.findParameter(name);
    if (known !== undefined) return known.value;
    const data = form === undefined ? found.data : form(found.data);
    const trainable = data.dtype === 'float32' && !isBuffer(name) && this.config.get('trainable').boolean(true);
    return this.g.parameter(name, data, { trainable });
  }

  /** A weight with its axes in another order. */
  permutedWeight(weight: string, perm: readonly number[]): Value {
    return this.weight(weight, (data) => {
      if (data.shape.length !== perm.length) {
        throw this.error(`the weight "${weight}" must have ${perm.length} axes, received [${data.shape.join(', ')}]`);
      }
      return permuted(data, perm);
    });
  }

  /** One of a few words, in lower case and with underscores: some writers have `channelsLast`, others `channels_last`. */
  word<T extends string>(key: string, words: readonly T[], fallback: T): T {
    const place = this.config.get(key);
    const given = snake(place.string(fallback));
    const found = words.find((word) => word === given);
    if (found !== undefined) return found;
    throw place.error(`must be ${words.join(' or ')}, received "${place.string()}"`);
  }

  /** `count` whole numbers of at least `min`; one number stands for all. */
  numbers(key: string, count: number, fallback: number, min: number = 1): readonly number[] {
    const place = this.config.get(key);
    if (!place.exists) return Array.from({ length: count }, () => fallback);
    if (!place.isArray) return Array.from({ length: count }, () => place.int(undefined, min));
    const items = place.items().map((item) => item.int(undefined, min));
    if (items.length === 1) return Array.from({ length: count }, () => items[0] as number);
    if (items.length !== count) throw place.error(`needs ${count} numbers, received ${items.length}`);
    return items;
  }
}

export function snake(word: string): string {
  return word.replaceAll(/([a-z\d])([A-Z])/g, '$1_$2').toLowerCase();
}
