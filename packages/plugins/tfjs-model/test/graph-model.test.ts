import { interpret, tensor, type TensorData } from '@anneal/graph';
import { assertClose } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';

import { readGraphModel } from '../src/graph-model/model.ts';
import { DTYPES, graphFiles, loadInTf } from './graph-files.ts';
import { attr, OP_CASES, type OpCase } from './graph-ops.ts';
import { feedsOf, type Files, read, type tf, toTf } from './tfjs.ts';

function filesOf({ op, attrs = {}, inputs, dtype = 'float32', constants = [], order, outputs = 1 }: OpCase): Files {
  const names = [...inputs.map((_, i) => `x${i}`), ...constants.map((_, i) => `c${i}`)];
  return graphFiles(
    [
      ...inputs.map((shape, i) => ({
        name: `x${i}`,
        op: 'Placeholder',
        attr: {
          dtype: attr.type(DTYPES[dtype]),
          shape: { shape: { dim: shape.map((size, axis) => ({ size: axis === 0 ? '-1' : String(size) })) } },
        },
      })),
      { name: 'y', op, input: (order ?? names.map((_, i) => i)).map((i) => names[i] as string), attr: attrs },
    ],
    Object.fromEntries(constants.map((value, i) => [`c${i}`, value])),
    namesOf(outputs),
  );
}

const namesOf = (outputs: number): string[] => Array.from({ length: outputs }, (_, i) => `y:${i}`);

function positive(feeds: Record<string, TensorData>): Record<string, TensorData> {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { dtype, shape, data }]) => [
      name,
      tensor(
        dtype,
        shape,
        (data as Float32Array).map((value) => Math.abs(value) + 0.1),
      ),
    ]),
  );
}

describe('an operator gives what TensorFlow.js gives', () => {
  it.each(Object.keys(OP_CASES))('%s', async (name) => {
    const given = OP_CASES[name] as OpCase;
    const files = filesOf(given);
    const { graph } = readGraphModel(await read(files));
    const some = feedsOf(graph, 5, given.dtype === 'int32' ? 4 : given.dtype === 'bool' ? 2 : undefined);
    const feeds = given.positive === true ? positive(some) : some;
    const model = await loadInTf(files);
    const inputs = Object.fromEntries(Object.entries(feeds).map(([key, value]) => [key, toTf(value)]));
    const wanted = [model.execute(inputs, namesOf(given.outputs ?? 1))].flat();
    const actual = Object.values(await interpret(graph, feeds));
    expect(actual.length).toBe(wanted.length);
    actual.forEach((value, i) => {
      const other = wanted[i] as tf.Tensor;
      expect(value.shape).toEqual(other.shape);
      expect(value.dtype).toBe(other.dtype);
      const data = other.dataSync();
      assertClose(value, tensor(value.dtype, value.shape, Array.from(data, Number)), {
        absolute: 1e-5,
        relative: 1e-4,
      });
    });
  });
});
