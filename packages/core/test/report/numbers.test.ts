import { describe, expect, it } from 'vitest';

import {
  bytes,
  countOrQuality,
  duration,
  intervalOf,
  mebibytes,
  milliseconds,
  number,
  percent,
  quality,
  short,
  signedDifference,
  signedPercent,
  times,
} from '../../src/report/format.ts';
import { changeOf, gateText, quantityNames, quantityOf, readingOf } from '../../src/report/quantities.ts';

/** Spaces that hold number and unit together, as plain ones. */
const plain = (text: string): string => text.replaceAll('\u00a0', ' ');

describe('numbers', () => {
  it.each([
    [
      number,
      [0, 7, 1234, 1e6, 0.31, 12.345, 123.4, -5, 1e-7, 1e21],
      ['0', '7', '1,234', '1,000,000', '0.310', '12.3', '123', '−5', '1.00e-7', '1.00e+21'],
    ],
    [
      quality,
      [0, 0.96337, 1, 23.4567, 1234.5, 2.1e-5, -0.5],
      ['0.0000', '0.9634', '1.0000', '23.46', '1,235', '2.1e-5', '−0.5000'],
    ],
    [countOrQuality, [318, 8000, 1, 0, 0.5], ['318', '8,000', '1.0000', '0.0000', '0.5000']],
    [short, [0, 999, 1000, 61_765, 1_470_594, 7e9], ['0', '999', '1.00 k', '61.8 k', '1.47 M', '7.00 G']],
    [bytes, [0, 999, 999_999, 5_904_593, 2.5e9], ['0 B', '999 B', '1.00 MB', '5.90 MB', '2.50 GB']],
    [mebibytes, [527.43, 1024, 2150.4], ['527 MiB', '1.00 GiB', '2.10 GiB']],
    [milliseconds, [1.471, 20, 1500.2], ['1.47 ms', '20 ms', '1,500 ms']],
    [duration, [0, 0.044, 0.92, 42.4, 192, 7500], ['0 ms', '44 ms', '0.9 s', '42 s', '3 min 12 s', '2 h 5 min']],
    [percent, [0, 0.0004, 0.0974, 0.9996, 1], ['0 %', '0.04 %', '9.7 %', '100 %', '100 %']],
    [signedPercent, [0, -0.7188, 0.05, 0.0001, 12.5, -0.001], ['0 %', '−72 %', '+5.0 %', '0 %', '+1250 %', '−0.10 %']],
    [times, [0.28125, 3, 12.4], ['0.28×', '3.00×', '12.4×']],
  ] as const)('%o', (format, values, expected) => {
    expect(values.map((value) => plain(format(value)))).toEqual(expected);
    for (const none of [Number.NaN, Number.POSITIVE_INFINITY, null as unknown as number])
      expect(format(none)).toBe('not measured');
  });

  it('show differences with the digits of what differs', () => {
    expect(signedDifference(0.9762, 0.9744)).toBe('−0.0018');
    expect(signedDifference(0.9957, 0.99561)).toBe('−0.0001');
    expect(signedDifference(0.5, 0.5000001)).toBe('0');
    expect(signedDifference(2e-5, 4.1e-5)).toBe('+2.1e-5');
    expect(signedDifference(23.4, 21.4)).toBe('−2.00');
    expect(signedDifference(0, 0)).toBe('0');
    expect(signedDifference(0.5, Number.NaN)).toBe('not measured');
  });

  it('show intervals with room where an end is negative', () => {
    expect(intervalOf(quality, [0.1, 0.2])).toBe('0.1000–0.2000');
    expect(intervalOf(quality, [-0.1, 0.2])).toBe('−0.1000 – 0.2000');
  });
});

describe('quantities', () => {
  it('know which way is better, and what is a cost', () => {
    expect(['accuracy', 'f1', 'throughput', 'hits@10'].map((name) => quantityOf(name).better)).toEqual([1, 1, 1, 1]);
    expect(['logLoss', 'ece', 'bytes', 'latencyMsP95'].map((name) => quantityOf(name).better)).toEqual([
      -1, -1, -1, -1,
    ]);
    expect(['ownMetric', 'constructor', '__proto__'].map((name) => quantityOf(name).better)).toEqual([0, 0, 0]);
    expect(quantityOf('ownMetric', { ownMetric: { value: 1, better: 'lower' } }).better).toBe(-1);
    expect(quantityOf('f1', undefined, { f1: { value: 1, better: 'lower' } }).better).toBe(-1);
    expect(quantityNames([{ bytes: 1, own: { value: 1 } }, { f1: { value: 1 } }])).toEqual(['own', 'f1', 'bytes']);
  });

  it('are read from metrics and bare numbers, never from prototypes', () => {
    const metrics = { f1: { value: 0.5, ci95: [0.4, 0.6] as const }, bytes: 7, none: Number.NaN };
    expect(readingOf(metrics, 'f1')).toEqual({ value: 0.5, ci95: [0.4, 0.6] });
    expect(readingOf(metrics, 'bytes')).toEqual({ value: 7, ci95: undefined });
    expect(readingOf(metrics, 'none')).toEqual({ value: undefined, ci95: undefined });
    expect(readingOf(metrics, 'constructor')).toBeUndefined();
    expect(readingOf(undefined, 'f1')).toBeUndefined();
    expect(readingOf({ f1: null as unknown as number }, 'f1')).toEqual({ value: undefined, ci95: undefined });
  });

  const reading = (value: number | undefined, ci95?: readonly [number, number]) => ({ value, ci95 });

  it('change for better or worse', () => {
    const f1 = quantityOf('f1');
    expect(changeOf(f1, reading(0.9), reading(0.95))).toEqual({ text: '+0.0500', verdict: 'better', within: false });
    expect(changeOf(f1, reading(0.9, [0.85, 0.95]), reading(0.88))).toMatchObject({ verdict: 'worse', within: true });
    expect(changeOf(f1, reading(0.9), reading(0.900001))).toMatchObject({ text: '0', verdict: 'same' });
    expect(changeOf(quantityOf('mse'), reading(2e-5), reading(4e-5))).toMatchObject({
      text: '+2.0e-5',
      verdict: 'worse',
    });
    expect(changeOf(quantityOf('own'), reading(1), reading(2))?.verdict).toBeUndefined();
    expect(changeOf(f1, reading(undefined), reading(0.9))).toBeUndefined();
    expect(changeOf(f1, undefined, reading(0.9))).toBeUndefined();
  });

  it('of cost change by ratio, and are the same within 2 %', () => {
    const latency = quantityOf('latencyMsP50');
    expect(changeOf(latency, reading(2), reading(1.5))).toMatchObject({ text: '−25\u00a0%', verdict: 'better' });
    expect(changeOf(latency, reading(2), reading(2.03))).toMatchObject({ verdict: 'same' });
    expect(changeOf(quantityOf('throughput'), reading(100), reading(90))).toMatchObject({ verdict: 'worse' });
    expect(changeOf(latency, reading(0), reading(1))).toBeUndefined();
  });

  it('have in gates the unit that conditions name', () => {
    const texts = [
      'latency.p95',
      'before.latency.p50',
      'size.bytes',
      'memory.peakRssMb',
      'throughput',
      'accuracy',
      'size.ratio',
    ];
    expect(texts.map((metric) => plain(gateText(metric, 20)))).toEqual([
      '20 ms',
      '20 ms',
      '20 B',
      '20 MiB',
      '20/s',
      '20.00',
      '20.00',
    ]);
    expect(gateText('throughput', Number.NaN)).toBe('not measured');
  });
});
