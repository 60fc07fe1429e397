import { AnnealError } from '../errors/error.ts';
import type { EvaluateResult } from '../build/evaluate.ts';
import type { GateResult, VariantMetrics } from './types.ts';

const COMPARE: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  '>=': (value, bound) => value >= bound,
  '<=': (value, bound) => value <= bound,
  '>': (value, bound) => value > bound,
  '<': (value, bound) => value < bound,
  '==': (value, bound) => value === bound,
};
/** Factors to the unit that the quantity has. */
const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  '%': 0.01,
  B: 1,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  KiB: 1024,
  MiB: 2 ** 20,
  GiB: 2 ** 30,
};

export interface Condition {
  readonly operator: string;
  readonly bound: number;
}

/**
 * Reads a condition such as `>= 0.97`, `<= 20 ms`, `<= 35 %`.
 *
 * @throws AnnealError `ANNEAL_E_GATE`
 */
export function parseCondition(metric: string, condition: string): Condition {
  const match = /^\s*(>=|<=|==|>|<)\s*(-?\d+(?:\.\d+)?(?:e-?\d+)?)\s*([a-zA-Z%]*)\s*$/i.exec(condition);
  const unit = UNITS[match?.[3] ?? ''];
  if (match === null || unit === undefined) {
    throw new AnnealError(
      'ANNEAL_E_GATE',
      `gate \`${metric}\`: expected a comparison such as ">= 0.97" or "<= 20 ms", received ${JSON.stringify(condition)}`,
      {
        path: ['gates', metric],
      },
    );
  }
  return { operator: match[1] as string, bound: Number(match[2]) * unit };
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
      throw new AnnealError('ANNEAL_E_GATE', `gate \`${metric}\` names nothing that was measured`, {
        path: ['gates', metric],
        fix: `use one of ${[...quantities.keys()].filter((name) => !/^(before|after)\./.test(name)).join(', ')}`,
      });
    }
    return { metric, condition, value, passed: COMPARE[operator]?.(value, bound) ?? false };
  });
}
