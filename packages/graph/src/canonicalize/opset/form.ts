import type { GraphBuilder } from '../../builder.ts';
import { GraphError } from '../../error.ts';
import { attr, type Attribute, type Attributes, type Value } from '../../ir.ts';

/** One application of an operator of ai.onnx, before it is a node. */
export interface Form {
  readonly op: string;
  readonly inputs: readonly (Value | undefined)[];
  readonly attributes: Attributes;
  /** Which outputs are wanted. */
  readonly outputs: readonly boolean[];
}

/** How an operator changed with one version of the operator set. */
export interface Change {
  /** The first version that has the new form: nodes of older ones are changed. */
  readonly since: number;
  /**
   * The new form, or the values of its outputs where one node cannot say it. What comes before the node is appended to
   * `g`.
   */
  readonly apply: (form: Form, g: GraphBuilder) => Form | readonly (Value | undefined)[];
}

export type Changes = Readonly<Record<string, readonly Change[]>>;

/** Attributes without some. */
export function without(attributes: Attributes, ...names: readonly string[]): Attributes {
  return Object.fromEntries(Object.entries(attributes).filter(([name]) => !names.includes(name)));
}

/** A form with other attributes. */
export function withAttributes(
  form: Form,
  added: Readonly<Record<string, Attribute>>,
  ...dropped: readonly string[]
): Form {
  return { ...form, attributes: { ...without(form.attributes, ...dropped), ...added } };
}

/** An input that the operator must have. */
export function operand({ op, inputs }: Form, index: number): Value {
  const value = inputs[index];
  if (value === undefined) throw new GraphError('ANNEAL_E_OP', `${op}: input ${index} is missing`);
  return value;
}

/** A change that only drops attributes which no longer exist. */
export function dropping(since: number, ...names: readonly string[]): Change {
  return { since, apply: (form) => withAttributes(form, {}, ...names) };
}

/** A change that gives an attribute of integers as an input; absent, the input stays out. */
export function intsToInput(since: number, name: string, index: number = 1): Change {
  return {
    since,
    apply: (form, g) => {
      const given = attr.ints(form, name);
      if (given === undefined) return form;
      const inputs = [...form.inputs];
      while (inputs.length < index) inputs.push(undefined);
      inputs[index] = g.ints(given);
      return { ...form, inputs, attributes: without(form.attributes, name) };
    },
  };
}

/** The error for what newer operator sets cannot say. */
export function inexpressible({ op }: Form, what: string): GraphError {
  return new GraphError('ANNEAL_E_OP', `${op}: ${what} cannot be expressed in operator set 21`, {
    fix: 'export the model with a newer operator set',
  });
}
