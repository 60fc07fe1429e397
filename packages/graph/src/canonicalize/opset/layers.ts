import { isFloat } from '../../dtype.ts';
import type { GraphBuilder } from '../../builder.ts';
import { attr, type Attribute, type Value } from '../../ir.ts';
import { tensor } from '../../tensor.ts';
import {
  type Change,
  type Changes,
  dropping,
  type Form,
  inexpressible,
  operand,
  without,
  withAttributes,
} from './form.ts';

const MODES: Readonly<Record<string, string>> = { bilinear: 'linear', bicubic: 'cubic' };

/** The `mode` attribute by its present name. */
function renamedMode(form: Form): Attribute | undefined {
  const mode = form.attributes['mode'];
  return mode && 'string' in mode ? { string: MODES[mode.string] ?? mode.string } : mode;
}

/** What Upsample, and Resize before 11, mean by scales. */
const ASYMMETRIC: Readonly<Record<string, Attribute>> = {
  coordinate_transformation_mode: { string: 'asymmetric' },
  nearest_mode: { string: 'floor' },
};

function resized(form: Form, scales: Value): Form {
  const mode = renamedMode(form);
  return {
    ...form,
    op: 'Resize',
    inputs: [operand(form, 0), undefined, scales],
    attributes: { ...ASYMMETRIC, ...(mode && { mode }) },
  };
}

/** Upsample took its scales as attributes before 9 and as an input in 9; the Resize that follows it has its present form in 13. */
const upsample: Change = {
  since: 13,
  apply: (form, g) => {
    const given = form.inputs[1];
    if (given) return resized(form, given);
    const list = form.attributes['scales'];
    const scales =
      list && 'floats' in list
        ? list.floats
        : [1, 1, attr.float(form, 'height_scale', 1), attr.float(form, 'width_scale', 1)];
    return resized(form, g.constant(tensor('float32', [scales.length], scales)));
  },
};

/** How `half_pixel`, which is half an output pixel further down, has to round to meet the same pixel. */
const SHIFTED_ROUNDING: Readonly<Record<string, string>> = { floor: 'round_prefer_ceil', round_prefer_floor: 'ceil' };

/** `tf_half_pixel_for_nn` went with 13. */
const halfPixelForNearest: Change = {
  since: 13,
  apply: (form) => {
    const mode = 'tf_half_pixel_for_nn';
    if (attr.string(form, 'coordinate_transformation_mode', '') !== mode) return form;
    const rounding = SHIFTED_ROUNDING[attr.string(form, 'nearest_mode', 'round_prefer_floor')];
    if (rounding === undefined || attr.string(form, 'mode', 'nearest') !== 'nearest') {
      throw inexpressible(form, `"${mode}" with this rounding`);
    }
    return withAttributes(form, {
      coordinate_transformation_mode: { string: 'half_pixel' },
      nearest_mode: { string: rounding },
    });
  },
};

/** Before 14, the presence of statistics among the outputs said that the node trains; 7 had dropped `is_test`. */
const batchTraining: Change = {
  since: 14,
  apply: (form) => {
    if (attr.int(form, 'spatial', 1) === 0) throw inexpressible(form, 'statistics for each element (`spatial: 0`)');
    const [training, saved] = [form.outputs[1] === true || form.outputs[2] === true, form.outputs.slice(3)];
    if (saved.includes(true)) throw inexpressible(form, 'an output with saved statistics');
    const inference = attr.int(form, 'is_test', 0) === 1 || !training;
    return {
      ...withAttributes(form, { training_mode: { int: inference ? 0 : 1 } }, 'spatial', 'is_test'),
      outputs: form.outputs.slice(0, inference ? 1 : 3),
    };
  },
};

function ratioOf(form: Form, g: GraphBuilder): Value {
  const { dtype } = operand(form, 0);
  return g.scalar(attr.float(form, 'ratio', 0.5), isFloat(dtype) ? dtype : 'float32');
}

const dropoutRatio: Change = {
  since: 12,
  apply: (form, g) => ({
    ...withAttributes(form, {}, 'ratio', 'is_test'),
    inputs: [operand(form, 0), ratioOf(form, g)],
  }),
};

/** Before 10 the mask was of the data's type. */
const dropoutMask: Change = {
  since: 10,
  apply: (form, g) => {
    if (form.outputs[1] !== true) return form;
    const x = operand(form, 0);
    const [y, mask] = g.node('Dropout', [x, ratioOf(form, g)], { outputs: 2 });
    return [y, mask && g.ops.cast(mask, x.dtype)];
  },
};

/** Scale and bias were for each group before 21, and are for each channel since. */
const perChannel: Change = {
  since: 21,
  apply: (form, g) => {
    const [x, scale, bias] = [operand(form, 0), operand(form, 1), operand(form, 2)];
    const [groups, channels] = [attr.int(form, 'num_groups', 1), x.shape[1]];
    if (typeof channels !== 'number') throw inexpressible(form, 'a symbolic number of channels');
    const spread = (value: Value): Value => repeatEach(g, value, channels / groups);
    return { ...form, inputs: [x, spread(scale), spread(bias)] };
  },
};

function repeatEach(g: GraphBuilder, vector: Value, times: number): Value {
  if (times === 1) return vector;
  const column = g.one('Unsqueeze', [vector, g.ints([1])]);
  return g.one('Reshape', [g.one('Expand', [column, g.ints([1, times])]), g.ints([-1])]);
}

const normalizedAxes: Change = {
  since: 9,
  apply: (form) => {
    const axes = attr.int(form, 'across_channels', 0) === 1 ? [0, 1, 2, 3] : [0, 2, 3];
    return withAttributes(form, { axes: { ints: axes } }, 'across_channels', 'normalize_variance');
  },
};

const integerPower: Change = {
  since: 2,
  apply: (form) => {
    const p = form.attributes['p'];
    return p && 'float' in p ? withAttributes(form, { p: { int: p.float } }) : form;
  },
};

const sampleModes: Change = {
  since: 20,
  apply: (form) => {
    const mode = renamedMode(form);
    return mode ? withAttributes(form, { mode }) : form;
  },
};

/** The default changed with 16. */
const alignedRegions: Change = {
  since: 16,
  apply: (form) => withAttributes(form, { coordinate_transformation_mode: { string: 'output_half_pixel' } }),
};

/** The axis became an input with 20, where the default is the last but one instead of 1. */
const transformAxis: Change = {
  since: 20,
  apply: (form, g) => ({
    ...form,
    inputs: [operand(form, 0), form.inputs[1], g.scalar(attr.int(form, 'axis', 1), 'int64')],
    attributes: without(form.attributes, 'axis'),
  }),
};

const recurrent = dropping(7, 'output_sequence');

export const layers: Changes = {
  Upsample: [upsample],
  Resize: [{ since: 11, apply: (form) => resized(form, operand(form, 1)) }, halfPixelForNearest],
  BatchNormalization: [batchTraining],
  Dropout: [dropoutMask, dropoutRatio],
  GroupNormalization: [perChannel],
  MeanVarianceNormalization: [normalizedAxes],
  LpPool: [integerPower],
  GlobalLpPool: [integerPower],
  GridSample: [sampleModes],
  RoiAlign: [alignedRegions],
  DFT: [transformAxis],
  LSTM: [recurrent],
  GRU: [recurrent],
  RNN: [recurrent],
};
