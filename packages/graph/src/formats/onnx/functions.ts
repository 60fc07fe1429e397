import { clone } from '@bufbuild/protobuf';
import { formatError } from '../error.ts';
import {
  type AttributeProto,
  AttributeProtoSchema,
  type FunctionProto,
  type NodeProto,
  NodeProtoSchema,
} from './proto/onnx_pb.ts';

/** What a model-local function does for one call: its nodes with the call's attributes filled in. */
export interface FunctionBody {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly nodes: readonly NodeProto[];
  readonly definition: FunctionProto;
}

/** The functions that a model brings with it. */
export class FunctionTable {
  readonly #functions = new Map<string, FunctionProto>();

  constructor(functions: readonly FunctionProto[], file: string) {
    for (const definition of functions) {
      const key = keyOf(definition.domain, definition.name, definition.overload);
      if (this.#functions.has(key)) throw formatError({ file }, `the function ${definition.name} is defined twice`);
      this.#functions.set(key, definition);
    }
  }

  /** Nodes of all functions together. */
  get nodeCount(): number {
    let count = 0;
    for (const { node } of this.#functions.values()) count += node.length;
    return count;
  }

  /** The body of the function that a node calls; `undefined` for an operator. */
  bodyOf(call: NodeProto): FunctionBody | undefined {
    const definition = this.#functions.get(keyOf(call.domain, call.opType, call.overload));
    if (definition === undefined) return undefined;
    const given = new Map(definition.attributeProto.map((attribute) => [attribute.name, attribute]));
    for (const attribute of call.attribute) given.set(attribute.name, attribute);
    return {
      inputs: definition.input,
      outputs: definition.output,
      nodes: definition.node.map((node) => filled(node, given)),
      definition,
    };
  }
}

function keyOf(domain: string, name: string, overload: string): string {
  return JSON.stringify([domain === 'ai.onnx' ? '' : domain, name, overload]);
}

/** The node with references to the function's attributes replaced; those that the call leaves out are left out. */
function filled(node: NodeProto, given: ReadonlyMap<string, AttributeProto>): NodeProto {
  if (!node.attribute.some(({ refAttrName, g }) => refAttrName !== '' || g !== undefined)) return node;
  const copy = clone(NodeProtoSchema, node);
  copy.attribute = copy.attribute.flatMap((attribute) => {
    if (attribute.g) attribute.g.node = attribute.g.node.map((inner) => filled(inner, given));
    if (attribute.refAttrName === '') return [attribute];
    const value = given.get(attribute.refAttrName);
    if (value === undefined) return [];
    const renamed = clone(AttributeProtoSchema, value);
    renamed.name = attribute.name;
    return [renamed];
  });
  return copy;
}
