import type { GraphBuilder } from '../../builder.ts';
import { attr, type Value } from '../../ir.ts';
import { tensor } from '../../tensor.ts';
import { type Change, type Changes, type Form, inexpressible, intsToInput, operand, withAttributes } from './form.ts';

const concatAxis: Change = {
  since: 4,
  apply: (form) => withAttributes(form, { axis: { int: attr.int(form, 'axis', 1) } }),
};

const padNames: Change = {
  since: 2,
  apply: (form) => {
    const pads = form.attributes['paddings'];
    return pads ? withAttributes(form, { pads }, 'paddings') : form;
  },
};

const padInputs: Change = {
  since: 11,
  apply: (form, g) => {
    const x = operand(form, 0);
    const value = g.constant(tensor(x.dtype, [], [attr.float(form, 'value', 0)]));
    const inputs = [x, g.ints(attr.ints(form, 'pads') ?? []), value];
    return { ...withAttributes(form, {}, 'pads', 'value'), inputs };
  },
};

const sliceInputs: Change = {
  since: 10,
  apply: (form, g) => {
    const ints = (name: string): Value | undefined => {
      const values = attr.ints(form, name);
      return values && g.ints(values);
    };
    const inputs = [operand(form, 0), ints('starts') ?? g.ints([]), ints('ends') ?? g.ints([]), ints('axes')];
    return { ...withAttributes(form, {}, 'starts', 'ends', 'axes'), inputs };
  },
};

/** Sizes were an input in 1, an attribute from 2 on, and are an input again since 13. */
const splitSizes: Change = {
  since: 13,
  apply: (form, g) => {
    const sizes = attr.ints(form, 'split');
    const inputs = sizes ? [operand(form, 0), g.ints(sizes)] : form.inputs;
    return { ...withAttributes(form, {}, 'split'), inputs };
  },
};

/** Since 18, the number of equal parts is said. */
const splitCount: Change = {
  since: 18,
  apply: (form) => (form.inputs[1] ? form : withAttributes(form, { num_outputs: { int: form.outputs.length } })),
};

/** Tile took one axis and how often to repeat it before 6. */
const tileRepeats: Change = {
  since: 6,
  apply: (form, g): Form => {
    const [x, times, axis] = [operand(form, 0), number(form, 1, g), number(form, 2, g)];
    return { ...form, inputs: [x, g.ints(x.shape.map((_, i) => (i === axis ? times : 1)))] };
  },
};

function number(form: Form, index: number, g: GraphBuilder): number {
  const data = g.constantOf(operand(form, index))?.data;
  if (data?.length !== 1) throw inexpressible(form, `an input ${index} that is computed`);
  return Number(data[0]);
}

export const movement: Changes = {
  Concat: [concatAxis],
  Pad: [padNames, padInputs],
  Reshape: [intsToInput(5, 'shape')],
  Scatter: [{ since: 11, apply: (form) => ({ ...form, op: 'ScatterElements' }) }],
  Slice: [sliceInputs],
  Split: [splitSizes, splitCount],
  Squeeze: [intsToInput(13, 'axes')],
  Unsqueeze: [intsToInput(13, 'axes')],
  Tile: [tileRepeats],
};
