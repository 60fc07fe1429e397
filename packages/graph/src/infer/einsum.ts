import { GraphError } from '../error.ts';
import type { Dim } from '../ir.ts';
import { broadcastShapes } from './types.ts';

/** An Einsum equation with every axis named: letters, and digits for the axes that `...` stands for. */
export interface Einsum {
  /** Names of the axes of each input. */
  readonly inputs: readonly (readonly string[])[];
  /** Names of its axes. */
  readonly output: readonly string[];
  /** Size of each axis by its name. */
  readonly sizes: ReadonlyMap<string, Dim>;
}

/** @throws GraphError `ANNEAL_E_OP` for a malformed equation, `ANNEAL_E_SHAPE` when it does not fit the shapes. */
export function parseEinsum(equation: string, shapes: readonly (readonly Dim[])[]): Einsum {
  const compact = equation.replaceAll(/\s+/g, '');
  const [left = '', right, ...more] = compact.split('->');
  const terms = left.split(',');
  const valid = /^[a-zA-Z]*(\.\.\.)?[a-zA-Z]*$/;
  if (more.length > 0 || ![...terms, right ?? ''].every((term) => valid.test(term))) {
    throw new GraphError('ANNEAL_E_OP', `Einsum: malformed equation "${equation}"`);
  }
  if (terms.length !== shapes.length) {
    throw new GraphError('ANNEAL_E_OP', `Einsum: "${equation}" has ${terms.length} terms for ${shapes.length} inputs`);
  }
  const letters = (term: string): number => term.replace('...', '').length;
  const widths = terms.map((term, i) => (term.includes('...') ? (shapes[i] ?? []).length - letters(term) : 0));
  const width = Math.max(0, ...widths);
  // Ellipses align at their last axis, as broadcasting does.
  const named = (term: string, own: number): string[] =>
    term
      .split('...')
      .flatMap((part, i) => [
        ...(i === 0 ? [] : Array.from({ length: own }, (_, k) => `${width - own + k}`)),
        ...part.split(''),
      ]);
  const inputs = terms.map((term, i) => named(term, widths[i] as number));
  const sizes = new Map<string, Dim>();
  inputs.forEach((axes, i) => {
    const shape = shapes[i] ?? [];
    if (axes.length !== shape.length) {
      throw new GraphError('ANNEAL_E_SHAPE', `Einsum: "${terms[i]}" does not fit an input [${shape.join(', ')}]`);
    }
    axes.forEach((axis, k) => {
      const joined = broadcastShapes([sizes.get(axis) ?? 1], [shape[k] as Dim]);
      if (joined === undefined) {
        throw new GraphError(
          'ANNEAL_E_SHAPE',
          `Einsum: "${axis}" is ${sizes.get(axis)} and ${shape[k]} in "${equation}"`,
        );
      }
      sizes.set(axis, joined[0] as Dim);
    });
  });
  return { inputs, output: right === undefined ? implicit(inputs, width) : named(right, width), sizes };
}

/** Without an arrow: the axes of the ellipsis, then the letters that occur once, in alphabetical order. */
function implicit(inputs: readonly (readonly string[])[], width: number): string[] {
  const all = inputs.flat().filter((axis) => !/\d/.test(axis));
  const once = all.filter((axis) => all.indexOf(axis) === all.lastIndexOf(axis));
  return [...Array.from({ length: width }, (_, k) => `${k}`), ...once.sort()];
}
