import { describe, expect, it } from 'vitest';
import { VJP } from '../src/autodiff/rules/index.ts';
import { STOP } from '../src/autodiff/stop.ts';
import { INFER } from '../src/infer/index.ts';
import { elementwiseCases } from './autodiff/cases-elementwise.ts';
import { linearCases } from './autodiff/cases-linear.ts';
import { movementCases } from './autodiff/cases-movement.ts';
import { reduceCases } from './autodiff/cases-reduce.ts';
import { spatialCases } from './autodiff/cases-spatial.ts';
import { checkGradients, operatorsOf } from './autodiff/harness.ts';

const cases = [...elementwiseCases, ...reduceCases, ...linearCases, ...movementCases, ...spatialCases];

describe('gradients against central differences', () => {
  it.each(cases)('$name', (given) => {
    checkGradients(given);
  });
});

describe('the tables', () => {
  it('give every operator a rule or a reason, never both', () => {
    expect([...Object.keys(VJP), ...Object.keys(STOP)].sort()).toEqual(Object.keys(INFER).sort());
  });

  it('have a case for every rule', () => {
    const covered = new Set(cases.flatMap((given) => [...operatorsOf(given)]));
    // What rounds has no slope to compare with: autodiff-values.test.ts and int8-linears.test.ts have their gradients.
    const rounding = [
      'Ceil',
      'Floor',
      'Round',
      'QuantizeLinear',
      'com.microsoft.DynamicQuantizeMatMul',
      'anneal.Int8Linear',
    ];
    expect(Object.keys(VJP).filter((key) => !covered.has(key) && !rounding.includes(key))).toEqual([]);
  });
});
