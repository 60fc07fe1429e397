import { checkRewrite, type CheckRewriteOptions, type RewriteCase } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { EXPANSIONS } from '../../src/canonicalize/composites/index.ts';
import type { Attributes, Value } from '../../src/ir.ts';
import { applyRewrites, type Rewrite } from '../../src/rewrites/define.ts';
import { tensor } from '../../src/tensor.ts';
import { onRuntime } from './runtime.ts';

type Spec = number | { readonly float: number } | readonly number[];

const attributes = (values: Readonly<Record<string, Spec>>): Attributes =>
  Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      typeof value === 'number' ? { int: value } : 'float' in value ? value : { ints: value },
    ]),
  );

/** A node of com.microsoft whose outputs are those of the graph. */
function call(
  g: GraphBuilder,
  op: string,
  inputs: readonly (Value | undefined)[],
  values: Readonly<Record<string, Spec>>,
  outputs: readonly boolean[] = [true],
  domain: string = 'com.microsoft',
): Value[] {
  const results = g.node(op, inputs, { domain, attributes: attributes(values), outputs });
  return results.filter((value): value is Value => value !== undefined);
}

const f32 = (g: GraphBuilder, name: string, ...shape: number[]): Value => g.input(name, 'float32', shape);
const ints = (g: GraphBuilder, shape: readonly number[], values: readonly number[]): Value =>
  g.constant(tensor('int32', shape, values));

const skip = (op: string, biased: boolean, outputs: readonly boolean[]): RewriteCase => ({
  name: `${outputs.length} outputs${biased ? ', bias' : ''}`,
  build: (g) => {
    const [x, s, gamma] = [f32(g, 'x', 2, 3, 8), f32(g, 's', 2, 3, 8), f32(g, 'gamma', 8)];
    const beta = op === 'SkipLayerNormalization' ? [f32(g, 'beta', 8)] : [];
    return call(
      g,
      op,
      [x, s, gamma, ...beta, ...(biased ? [f32(g, 'b', 8)] : [])],
      { epsilon: { float: 1e-5 } },
      outputs,
    );
  },
});

const embed = (
  name: string,
  more: (g: GraphBuilder) => (Value | undefined)[],
  outputs: readonly boolean[],
): RewriteCase => ({
  name,
  build: (g) => {
    const ids = g.constant(tensor('int32', [2, 3], [4, 1, 0, 3, 2, 2]));
    const [segments, ...rest] = more(g);
    const tables = [f32(g, 'words', 5, 8), f32(g, 'places', 4, 8), segments ? f32(g, 'kinds', 2, 8) : undefined];
    return call(
      g,
      'EmbedLayerNormalization',
      [ids, segments, ...tables, f32(g, 'gamma', 8), f32(g, 'beta', 8), ...rest],
      {},
      outputs,
    );
  },
});
const segments = (g: GraphBuilder): Value => ints(g, [2, 3], [0, 0, 1, 0, 1, 1]);

/** Two sequences of 4 tokens, 2 heads of 4. */
const msAttention = (
  name: string,
  values: Readonly<Record<string, Spec>>,
  more: (g: GraphBuilder) => (Value | undefined)[] = () => [],
  outputs: readonly boolean[] = [true],
): RewriteCase => ({
  name,
  build: (g) =>
    call(
      g,
      'Attention',
      [f32(g, 'x', 2, 4, 6), f32(g, 'w', 6, 24), f32(g, 'b', 24), ...more(g)],
      { num_heads: 2, ...values },
      outputs,
    ),
});
const keyMask = (g: GraphBuilder): Value => ints(g, [2, 4], [1, 1, 1, 0, 1, 0, 1, 1]);

const multiHead = (
  name: string,
  build: (g: GraphBuilder) => (Value | undefined)[],
  values: Readonly<Record<string, Spec>> = {},
  outputs: readonly boolean[] = [true],
): RewriteCase => ({
  name,
  build: (g) => call(g, 'MultiHeadAttention', build(g), { num_heads: 2, ...values }, outputs),
});
const qkv = (g: GraphBuilder, length: number = 4, keys: number = 4): Value[] => [
  f32(g, 'q', 2, length, 8),
  f32(g, 'k', 2, keys, 8),
  f32(g, 'v', 2, keys, 8),
];

/** 4 query heads and 2 key heads of `size`, 5 tokens, no past. `rotary` is half of the rotated part of a head. */
const groupQuery = (
  name: string,
  values: Readonly<Record<string, Spec>> = {},
  options: {
    packed?: boolean;
    size?: number;
    rotary?: number;
    bias?: boolean;
    past?: boolean;
    outputs?: readonly boolean[];
  } = {},
): RewriteCase => ({
  name,
  build: (g) => {
    const { packed = false, size = 16, rotary = 0, bias = false, past = true, outputs = [true] } = options;
    const heads = packed
      ? [f32(g, 'qkv', 2, 5, 8 * size), undefined, undefined]
      : [f32(g, 'q', 2, 5, 4 * size), f32(g, 'k', 2, 5, 2 * size), f32(g, 'v', 2, 5, 2 * size)];
    const empty = (): Value => g.constant(tensor('float32', [2, 2, 0, size], []));
    const angles = (f: (x: number) => number): Value =>
      g.constant(
        tensor(
          'float32',
          [6, rotary],
          Array.from({ length: 6 * rotary }, (_, i) => f(Math.floor(i / rotary) / 3 ** (i % rotary))),
        ),
      );
    const caches = rotary > 0 ? [angles(Math.cos), angles(Math.sin)] : [undefined, undefined];
    const inputs = [
      ...heads,
      ...(past ? [empty(), empty()] : [undefined, undefined]),
      ints(g, [2], [4, 4]),
      ints(g, [1], [5]),
      ...caches,
      undefined,
      ...(bias ? [f32(g, 'bias', 2, 4, 5, 5)] : []),
    ];
    while (inputs.at(-1) === undefined) inputs.pop();
    return call(
      g,
      'GroupQueryAttention',
      inputs,
      { num_heads: 4, kv_num_heads: 2, ...(rotary && { do_rotary: 1 }), ...values },
      outputs,
    );
  },
});

const onnx = (
  name: string,
  build: (g: GraphBuilder) => (Value | undefined)[],
  values: Readonly<Record<string, Spec>> = {},
  outputs: readonly boolean[] = [true],
): RewriteCase => ({ name, build: (g) => call(g, 'Attention', build(g), values, outputs, '') });
const apart = (g: GraphBuilder, groups: number = 2, keys: number = 4): Value[] => [
  f32(g, 'q', 2, 2, 4, 8),
  f32(g, 'k', 2, groups, keys, 8),
  f32(g, 'v', 2, groups, keys, 6),
];

const CASES: Readonly<Record<string, readonly RewriteCase[]>> = {
  SkipLayerNormalization: [
    skip('SkipLayerNormalization', false, [true]),
    skip('SkipLayerNormalization', true, [true, false, false, true]),
  ],
  SkipSimplifiedLayerNormalization: [
    skip('SkipSimplifiedLayerNormalization', false, [true]),
    skip('SkipSimplifiedLayerNormalization', true, [true, false, false, true]),
  ],
  EmbedLayerNormalization: [
    embed('words and positions', () => [], [true, true]),
    embed('segments, mask and sum', (g) => [segments(g), ints(g, [2, 3], [1, 1, 0, 1, 1, 1])], [true, true, true]),
    embed('given positions', (g) => [segments(g), undefined, ints(g, [2, 3], [2, 1, 0, 0, 1, 3])], [true, true]),
  ],
  Attention: [
    msAttention('plain', {}),
    msAttention('causal, scale, present', { unidirectional: 1, scale: { float: 0.3 } }, () => [], [true, true]),
    msAttention('mask of keys', {}, (g) => [keyMask(g)]),
    msAttention('lengths', {}, (g) => [ints(g, [2], [4, 2])]),
    msAttention('mask of pairs', {}, (g) => [
      ints(
        g,
        [2, 4, 4],
        Array.from({ length: 32 }, (_, i) => Number(i % 3 > 0)),
      ),
    ]),
    msAttention('past', { unidirectional: 1 }, (g) => [undefined, f32(g, 'past', 2, 2, 2, 3, 4)], [true, true]),
    msAttention('bias of scores', {}, (g) => [undefined, undefined, f32(g, 'bias', 2, 2, 4, 4)]),
    msAttention('sizes that differ', { qkv_hidden_sizes: [6, 6, 12] }),
  ],
  MultiHeadAttention: [
    multiHead('plain', (g) => qkv(g)),
    multiHead('other keys, bias', (g) => [...qkv(g, 3, 5), f32(g, 'bias', 24)], {}, [true]),
    multiHead('mask of keys', (g) => [...qkv(g), undefined, keyMask(g)]),
    multiHead('lengths, causal', (g) => [...qkv(g), undefined, ints(g, [2], [4, 2])], { unidirectional: 1 }),
    multiHead('bias of scores', (g) => [...qkv(g), undefined, undefined, f32(g, 'scores', 1, 2, 4, 4)]),
    multiHead(
      'past',
      (g) => [...qkv(g), undefined, undefined, undefined, f32(g, 'pk', 2, 2, 3, 4), f32(g, 'pv', 2, 2, 3, 4)],
      {},
      [true, true, true],
    ),
    multiHead('keys apart', (g) => [f32(g, 'q', 2, 4, 8), f32(g, 'k', 2, 2, 5, 4), f32(g, 'v', 2, 2, 5, 4)]),
  ],
  GroupQueryAttention: [
    groupQuery('plain'),
    groupQuery('no past inputs, present', {}, { past: false, outputs: [true, true, true] }),
    groupQuery('packed, scale', { scale: { float: 0.2 } }, { packed: true }),
    groupQuery('rotary, present', {}, { rotary: 8, outputs: [true, true, true] }),
    groupQuery('rotary of neighbours', { rotary_interleaved: 1 }, { rotary: 8 }),
    groupQuery('rotary of packed', {}, { rotary: 8, packed: true }),
    groupQuery('rotary of a part', {}, { size: 32, rotary: 8 }),
    groupQuery('window', { local_window_size: 2 }),
    groupQuery('softcap', { softcap: { float: 1.5 } }),
    groupQuery('bias of scores', {}, { bias: true }),
  ],
  'Attention of ai.onnx': [
    onnx('heads apart', (g) => apart(g)),
    onnx('grouped, causal', (g) => [f32(g, 'q', 2, 4, 3, 8), f32(g, 'k', 2, 2, 3, 8), f32(g, 'v', 2, 2, 3, 8)], {
      is_causal: 1,
    }),
    onnx('flat', (g) => qkv(g), { q_num_heads: 2, kv_num_heads: 2, scale: { float: 0.4 } }),
    onnx('mask', (g) => [
      ...apart(g),
      g.constant(
        tensor(
          'bool',
          [4, 4],
          Array.from({ length: 16 }, (_, i) => i % 3 < 2),
        ),
      ),
    ]),
    onnx('added mask, softcap', (g) => [...apart(g), f32(g, 'mask', 2, 1, 4, 4)], { softcap: { float: 1.2 } }),
    onnx('past, present', (g) => [...qkv4(g), undefined, f32(g, 'pk', 2, 2, 3, 8), f32(g, 'pv', 2, 2, 3, 8)], {}, [
      true,
      true,
      true,
    ]),
    onnx(
      'past, causal',
      (g) => [...qkv4(g), undefined, f32(g, 'pk', 2, 2, 3, 8), f32(g, 'pv', 2, 2, 3, 8)],
      { is_causal: 1 },
      [true, true, true],
    ),
  ],
};

function qkv4(g: GraphBuilder): Value[] {
  return ['q', 'k', 'v'].map((name) => f32(g, name, 2, 2, 4, 8));
}

const ONNX_23: CheckRewriteOptions = {
  original: (graph, feeds) => onRuntime({ ...graph, opsets: { ...graph.opsets, '': 23 } }, feeds),
};

describe.each(EXPANSIONS.map((rule) => [rule.name, rule] as const))('%s', (name, rule) => {
  it.each((CASES[name] ?? []).map((test) => [test.name, test] as const))(
    'is what the runtime computes: %s',
    async (_, test) => {
      await checkRewrite(rule, [test], name === 'Attention of ai.onnx' ? ONNX_23 : { original: onRuntime });
    },
  );
});

describe('MultiHeadAttention', () => {
  const rule = EXPANSIONS.find(({ name }) => name === 'MultiHeadAttention')!;

  /** The runtime has the packed forms on other devices only: it gets them unpacked. */
  const unpacked =
    (packed: string, parts: readonly string[]): NonNullable<CheckRewriteOptions['original']> =>
    (_, feeds) => {
      const g = new GraphBuilder();
      const values = new Map<string, Value>();
      for (const [name, { shape }] of Object.entries(feeds)) values.set(name, f32(g, name, ...shape));
      const given = values.get(packed)!;
      const [batch, length] = given.dims as [number, number];
      parts.forEach((name, i) => {
        const one = g.ops.take(given, g.scalar(i, 'int64'), { axis: 3 });
        values.set(name, g.ops.reshape(one, [batch, length, 8]));
      });
      const heads = ['q', 'k', 'v'].map((name) => values.get(name));
      g.output('y0', call(g, 'MultiHeadAttention', heads, { num_heads: 2 })[0]!);
      return onRuntime(g.build(), feeds);
    };

  it('is what the runtime computes: packed', () =>
    checkRewrite(rule, [multiHead('packed', (g) => [f32(g, 'qkv', 2, 4, 2, 3, 4)])], {
      original: unpacked('qkv', ['q', 'k', 'v']),
    }));

  it('is what the runtime computes: packed keys', () =>
    checkRewrite(rule, [multiHead('packed keys', (g) => [f32(g, 'q', 2, 4, 8), f32(g, 'kv', 2, 5, 2, 2, 4)])], {
      original: unpacked('kv', ['k', 'v']),
    }));
});

describe('what cannot be taken apart stays', () => {
  const never = (test: RewriteCase): RewriteCase => ({ ...test, times: 0 });
  const rule = (name: string): Rewrite => EXPANSIONS.find((item) => item.name === name)!;

  it.each([
    ['GroupQueryAttention', never(groupQuery('smooth softmax', { smooth_softmax: 1 }))],
    ['Attention', never(msAttention('rotary', { do_rotary: 1 }))],
    ['MultiHeadAttention', never(multiHead('scores', (g) => qkv(g), {}, [true, true, true]))],
  ] as const)('%s', (name, test) => {
    const g = new GraphBuilder();
    const past = name === 'MultiHeadAttention';
    const [y] = past
      ? call(g, name, [...qkv(g), undefined, undefined, undefined, undefined, undefined, ints(g, [1], [1])], {
          num_heads: 2,
        })
      : [test.build(g)].flat();
    g.output('y', y!);
    const { graph, applied } = applyRewrites(g.build(), [rule(name)]);
    expect(applied).toEqual({});
    expect(graph.nodes.map(({ op }) => op)).toEqual([name]);
  });
});

it('every rule has cases', () => {
  expect(EXPANSIONS.map(({ name }) => name).sort()).toEqual(Object.keys(CASES).sort());
});
