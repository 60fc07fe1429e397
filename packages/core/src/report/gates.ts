import { AnnealError } from '../errors/error.ts';
import { suggest } from '../errors/suggest.ts';
import type { EvaluateResult } from '../build/evaluate.ts';
import type { GateResult, VariantMetrics } from './types.ts';

const COMPARE: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '>=': (value, bound) => value >= bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '<': (value, bound) => value < bound,
  '==': (value, bound) => value === bound,
};
type Dimension = 'time' | 'bytes' | 'memory' | 'share';
/** Units of what, with their factors to the unit that the quantity has: ms, bytes, MiB, 1. */
const UNITS: Readonly<Record<string, Readonly<Partial<Record<Dimension, number>>>>> = {
  ms: { time: 1 },
  s: { time: 1000 },
  '%': { share: 0.01 },
  B: { bytes: 1, memory: 2 ** -20 },
  KB: { bytes: 1e3, memory: 1e3 / 2 ** 20 },
  MB: { bytes: 1e6, memory: 1e6 / 2 ** 20 },
  GB: { bytes: 1e9, memory: 1e9 / 2 ** 20 },
  KiB: { bytes: 2 ** 10, memory: 2 ** -10 },
  MiB: { bytes: 2 ** 20, memory: 1 },
  GiB: { bytes: 2 ** 30, memory: 2 ** 10 },
};
/** Quantities that are no shares, by the end of their names. */
const DIMENSIONS: readonly (readonly [RegExp, Dimension])[] = [
  [/(^|\.)latency\.p\d+$/, 'time'],
  [/(^|\.)size\.bytes$/, 'bytes'],
  [/(^|\.)memory\.peakRssMb$/, 'memory'],
];

export interface Condition {
  readonly operator: string;
  readonly bound: number;
}

/**
 * Reads a condition such as `>= 0.97`, `<= 20 ms`, `<= 35 %`. A number without a unit is in the quantity's own.
 *
 * @throws AnnealError `ANNEAL_E_GATE` when it is none, or its unit does not belong to the metric.
 */
export function parseCondition(metric: string, condition: string): Condition {
  const match = /^\s*(>=|<=|==|>|<)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*([a-z]*|%)\s*$/i.exec(condition);
  const [, operator = '', number = '', unit = ''] = match ?? [];
  const known = Object.hasOwn(UNITS, unit) ? UNITS[unit] : undefined;
  if (match === null || (unit !== '' && known === undefined)) {
    throw new AnnealError(
      'ANNEAL_E_GATE',
      `gate \`${metric}\`: expected a comparison such as ">= 0.97" or "<= 20 ms", received ${JSON.stringify(condition)}`,
      { path: ['gates', metric], fix: `units are ${Object.keys(UNITS).join(', ')}` },
    );
  }
  if (known === undefined) return { operator, bound: Number(number) };
  const dimension = DIMENSIONS.find(([name]) => name.test(metric))?.[1];
  // Quantities of tasks and audits may be anything: their units are taken at their word.
  const factor = dimension === undefined ? Object.values(known)[0] : known[dimension];
  if (factor === undefined) {
    const units = Object.keys(UNITS).filter((name) => UNITS[name]?.[dimension as Dimension] !== undefined);
    throw new AnnealError('ANNEAL_E_GATE', `gate \`${metric}\` is not measured in ${unit}`, {
      path: ['gates', metric],
      fix: `use ${units.join(', ')}`,
    });
  }
  // Dividing gives the number nearest to what is meant: 94 % is 0.94, and 94 · 0.01 a little more.
  return { operator, bound: factor < 1 ? Number(number) / (1 / factor) : Number(number) * factor };
}

/** Everything that a gate can name, with its value. */
export function gateQuantities({ before, after, audit }: EvaluateResult): ReadonlyMap<string, number> {
  const shipped = after ?? before;
  const quantities = new Map<string, number>();
  const add = (prefix: string, variant: VariantMetrics): void => {
    for (const [name, { value }] of Object.entries(variant.metrics)) quantities.set(prefix + name, value);
    quantities.set(`${prefix}latency.p50`, variant.latencyMsP50);
    quantities.set(`${prefix}latency.p95`, variant.latencyMsP95);
    quantities.set(`${prefix}throughput`, variant.throughput);
    quantities.set(`${prefix}size.bytes`, variant.bytes);
    quantities.set(`${prefix}memory.peakRssMb`, variant.peakRssMb);
  };
  add('', shipped);
  add('before.', before);
  add('after.', shipped);
  quantities.set('size.ratio', shipped.bytes / before.bytes);
  quantities.set('latency.ratio', shipped.latencyMsP50 / before.latencyMsP50);
  for (const [name, { value }] of Object.entries(before.metrics)) {
    quantities.set(`${name}.drop`, value - (shipped.metrics[name]?.value ?? Number.NaN));
  }
  for (const [section, { metrics }] of Object.entries(audit)) {
    for (const [name, { value }] of Object.entries(metrics)) quantities.set(`${section}.${name}`, value);
  }
  return quantities;
}

/**
 * Judges every gate. A quantity that is not a number fails its gate.
 *
 * @throws AnnealError `ANNEAL_E_GATE` for a metric that does not exist or a condition that cannot be read.
 */
export function judgeGates(gates: Readonly<Record<string, string>>, result: EvaluateResult): readonly GateResult[] {
  const quantities = gateQuantities(result);
  return Object.entries(gates).map(([metric, condition]) => {
    const { operator, bound } = parseCondition(metric, condition);
    const value = quantities.get(metric);
    if (value === undefined) {
      const near = suggest(metric, quantities.keys());
      const hint = near === undefined ? '' : `, did you mean \`${near}\`?`;
      throw new AnnealError('ANNEAL_E_GATE', `gate \`${metric}\` names nothing that was measured${hint}`, {
        path: ['gates', metric],
        fix: `use one of ${[...quantities.keys()].filter((name) => !/^(before|after)\./.test(name)).join(', ')}`,
      });
    }
    return { metric, condition, value, passed: COMPARE[operator]?.(value, bound) ?? false };
  });
}
