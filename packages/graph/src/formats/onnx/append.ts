import { GraphBuilder, type NodeOptions } from '../../builder.ts';
import type { Form } from '../../canonicalize/opset/form.ts';
import { upgrade } from '../../canonicalize/opset/index.ts';
import { DTYPES } from '../../dtype.ts';
import { isTyped, opKey } from '../../infer/index.ts';
import { type NdArray, store } from '../../interpret/array.ts';
import type { Attributes, Graph, Value } from '../../ir.ts';
import { DeclaredTypes } from './declared.ts';
import { ConstantFolder } from './fold.ts';
import { fromProps, META } from './metadata.ts';
import { scopeOfNode } from './names.ts';
import type { NodeProto } from './proto/onnx_pb.ts';
import type { Scope } from './scope.ts';

/** One application of an operator, as a file has it. */
export interface Application {
  readonly op: string;
  readonly domain: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  readonly proto: NodeProto;
  readonly scope: Scope;
}

/** Appends the nodes of a file to the graph at hand: in their present form, typed anew. */
export class Appender {
  readonly declared: DeclaredTypes;
  /** The outermost graph. */
  readonly root: GraphBuilder = new GraphBuilder();
  readonly #opsets: Graph['opsets'];
  readonly #specialise: boolean;
  /** The graph at hand: the outermost, or one within a node. */
  #building: { readonly g: GraphBuilder; readonly folder: ConstantFolder };

  /** With `specialise`, whatever follows from shapes and constants is computed now. */
  constructor(file: string, opsets: Graph['opsets'], specialise: boolean) {
    this.declared = new DeclaredTypes(file);
    this.#opsets = opsets;
    this.#specialise = specialise;
    this.#building = { g: this.root, folder: new ConstantFolder(this.root, opsets) };
  }

  get g(): GraphBuilder {
    return this.#building.g;
  }

  /** Builds a graph within the one at hand. */
  within(name: string, fill: (g: GraphBuilder) => void): Graph {
    const around = this.#building;
    const g = new GraphBuilder(around.g);
    this.#building = { g, folder: new ConstantFolder(g, this.#opsets) };
    try {
      fill(g);
      return g.build({ name, opsets: this.#opsets });
    } finally {
      this.#building = around;
    }
  }

  /** A value's elements, when they follow from constants and static shapes. */
  valueOf(value: Value): NdArray | undefined {
    return this.#building.folder.valueOf(value);
  }

  append(node: Application): readonly (Value | undefined)[] {
    const { op, domain, inputs, attributes, proto, scope } = node;
    const start = this.g.nodes.length;
    const written: Form = { op, inputs, attributes, outputs: proto.output.map((name) => name !== '') };
    const form = domain === '' ? upgrade(written, scope.opset, this.g) : written;
    const values = 'op' in form ? this.#form(form, node) : form;
    for (const added of this.g.nodes.slice(start)) this.#building.folder.add(added);
    return this.#specialise ? values.map((value) => value && (this.#folded(value) ?? value)) : values;
  }

  #form(
    { op, inputs, attributes, outputs }: Form,
    { domain, proto, scope }: Application,
  ): readonly (Value | undefined)[] {
    const known = isTyped(opKey(domain, op));
    const values = this.#typed(op, inputs, {
      domain,
      attributes,
      outputs,
      names: proto.output,
      scope: fromProps(proto.metadataProps)[META.scope] ?? (scopeOfNode(proto) || scope.module),
      name: proto.name || undefined,
      unknown: proto.$unknown,
      types: known ? undefined : this.declared.ofOutputs(proto, scope),
    });
    if (known) this.declared.match(values, proto, scope);
    return values;
  }

  /** Adds a node; where its type cannot be inferred, with those inputs computed that can be. */
  #typed(op: string, inputs: readonly (Value | undefined)[], options: NodeOptions): readonly (Value | undefined)[] {
    try {
      return this.g.node(op, inputs, options);
    } catch (error) {
      const computed = inputs.map((value) => value && (this.#folded(value) ?? value));
      if (computed.every((value, i) => value === inputs[i] || this.g.constantOf(inputs[i] as Value))) throw error;
      return this.g.node(op, computed, options);
    }
  }

  /** A constant in place of an integer or a condition that is known by now, so that shapes computed from it are too. */
  #folded(value: Value): Value | undefined {
    const { kind } = DTYPES[value.dtype];
    const array = kind === 'int' || kind === 'bool' ? this.valueOf(value) : undefined;
    return array && this.g.constant(store(array), value.name);
  }
}
