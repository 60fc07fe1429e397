import {
  type DType,
  DTYPES,
  encodeFloat,
  type Graph,
  GraphBuilder,
  isFloat,
  isSmallFloat,
  type OpKey,
  sizeOf,
  type TensorData,
  zeros,
} from '@anneal/graph';
import type { Tolerance } from './compare.ts';
import { activations } from './op-cases/activations.ts';
import { axes, norms } from './op-cases/axes.ts';
import { elementwise } from './op-cases/elementwise.ts';
import { linear } from './op-cases/linear.ts';
import { indexing, movement } from './op-cases/movement.ts';
import { recurrent } from './op-cases/recurrent.ts';
import { spatial } from './op-cases/spatial.ts';
import type { CaseInput, CaseSpec, CaseTable } from './op-cases/spec.ts';
import { seededRandom, seedOf } from './seeded.ts';

/** One graph of one operator, with what it is fed. */
export interface OpCase {
  /** `Operator: what is special about it`; unique. */
  readonly name: string;
  /** Key of the operator. */
  readonly op: OpKey;
  /** One node, with what it needs. */
  readonly graph: Graph;
  /** Seeded inputs. */
  readonly feeds: Readonly<Record<string, TensorData>>;
  /** How far a backend may be from the reference, by output. */
  readonly tolerance: Readonly<Record<string, Tolerance>>;
}

/** Cases of every operator that has a type rule: one without does not compile. */
const CASES: CaseTable<OpKey> = {
  ...elementwise,
  ...activations,
  ...axes,
  ...norms,
  ...movement,
  ...indexing,
  ...linear,
  ...spatial,
  ...recurrent,
};

const EXACT: Tolerance = { absolute: 0, relative: 0 };

/** A few roundings of the element type: kernels may sum in another order and approximate functions. */
const TOLERANCES: Partial<Record<DType, Tolerance>> = {
  float32: { absolute: 1e-5, relative: 1e-5 },
  float64: { absolute: 1e-12, relative: 1e-12 },
  float16: { absolute: 2e-3, relative: 2e-3 },
  bfloat16: { absolute: 1e-2, relative: 1e-2 },
};

/** Element types that runtimes do not take or give: the graph casts them from and to these. */
const EDGE: Partial<Record<DType, DType>> = {
  bfloat16: 'float32',
  float8e4m3fn: 'float32',
  float8e4m3fnuz: 'float32',
  float8e5m2: 'float32',
  float8e5m2fnuz: 'float32',
  float4e2m1: 'float32',
  int4: 'int32',
  uint4: 'int32',
};

/** The elements of an input, as a tensor. */
function contents({ dtype, shape, content }: CaseInput, next: () => number): TensorData {
  const count = sizeOf(shape);
  const draw = ({ low, high }: { low: number; high: number }): number =>
    isFloat(dtype) ? low + (high - low) * next() : low + Math.floor((high - low + 1) * next());
  const numbers = Array.from({ length: count }, (_, i) => ('low' in content ? draw(content) : (content[i] as number)));
  return pack(dtype, shape, numbers);
}

function pack(dtype: DType, shape: readonly number[], numbers: readonly number[]): TensorData {
  const out = zeros(dtype, shape);
  const data = out.data as { [index: number]: number | bigint };
  const { bits } = DTYPES[dtype];
  numbers.forEach((value, i) => {
    if (bits < 8) {
      const at = Math.floor((i * bits) / 8);
      data[at] = Number(data[at]) | ((value & ((1 << bits) - 1)) << ((i * bits) % 8));
    } else if (isSmallFloat(dtype)) data[i] = encodeFloat(value, dtype);
    else data[i] = bits === 64 && !isFloat(dtype) ? BigInt(value) : value;
  });
  return out;
}

function split(key: OpKey): { domain: string; op: string } {
  const at = key.lastIndexOf('.');
  return { domain: key.slice(0, Math.max(0, at)), op: key.slice(at + 1) };
}

function build(op: OpKey, spec: CaseSpec): OpCase {
  const name = `${op}: ${spec.label}`;
  const next = seededRandom(seedOf(name));
  const g = new GraphBuilder();
  const feeds: Record<string, TensorData> = {};
  const inputs = spec.inputs.map((input, i) => {
    if (input === undefined) return undefined;
    const edge = input.constant ? undefined : EDGE[input.dtype];
    const data = contents(edge === undefined ? input : { ...input, dtype: edge }, next);
    if (input.constant) return g.constant(data);
    feeds[`x${i}`] = data;
    return g.ops.cast(g.input(`x${i}`, data.dtype, data.shape), input.dtype);
  });
  const { domain, op: type } = split(op);
  const results = g.node(type, inputs, { domain, attributes: spec.attributes, outputs: spec.outputs });
  const tolerance: Record<string, Tolerance> = {};
  results.forEach((value, i) => {
    if (value === undefined) return;
    g.output(`y${i}`, g.ops.cast(value, EDGE[value.dtype] ?? value.dtype));
    tolerance[`y${i}`] = (isFloat(value.dtype) ? spec.tolerance : undefined) ?? TOLERANCES[value.dtype] ?? EXACT;
  });
  const graph = g.build({ name, opsets: { '': spec.opset ?? 21, 'com.microsoft': 1 } });
  return { name, op, graph, feeds, tolerance };
}

/**
 * A few hundred small seeded cases, at least one of every operator: shapes (scalars, broadcasting, axes of size 0),
 * element types, attributes, infinities, NaN and ties. What they should give is what `evaluate` of `@anneal/graph`
 * computes.
 */
export function* opCases(): Iterable<OpCase> {
  for (const [op, specs] of Object.entries(CASES)) {
    for (const spec of specs) yield build(op as OpKey, spec);
  }
}
