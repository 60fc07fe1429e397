import { seededRandom } from '@anneal/testkit';
import { describe, expect, it } from 'vitest';
import { FlowNetwork } from '../src/autodiff/min-cut.ts';

type Pipe = readonly [from: number, to: number, capacity: number];

function sideOf(points: number, pipes: readonly Pipe[]): ReadonlySet<number> {
  const network = new FlowNetwork();
  for (let i = 0; i < points; i++) network.point();
  for (const pipe of pipes) network.pipe(...pipe);
  return network.sinkSide(0, points - 1);
}

function weight(pipes: readonly Pipe[], isInside: (point: number) => boolean): number {
  return pipes.reduce((sum, [from, to, capacity]) => (!isInside(from) && isInside(to) ? sum + capacity : sum), 0);
}

describe('FlowNetwork', () => {
  it('finds the cut of a textbook network', () => {
    // Cormen et al., "Introduction to Algorithms", figure 26.6: the maximum flow is 23.
    const pipes: Pipe[] = [
      [0, 1, 16],
      [0, 2, 13],
      [2, 1, 4],
      [1, 3, 12],
      [3, 2, 9],
      [2, 4, 14],
      [4, 3, 7],
      [3, 5, 20],
      [4, 5, 4],
    ];
    const side = sideOf(6, pipes);
    expect(weight(pipes, (point) => side.has(point))).toBe(23);
  });

  it('takes of equal cuts the one nearest to the sink', () => {
    const chain: Pipe[] = [
      [0, 1, 5],
      [1, 2, 5],
      [2, 3, 5],
    ];
    expect([...sideOf(4, chain)]).toEqual([3]);
  });

  it('finds no cheaper cut than trying all of them, in random networks', () => {
    const random = seededRandom(7);
    const below = (n: number): number => Math.floor(random() * n);
    for (let run = 0; run < 200; run++) {
      const points = 3 + below(6);
      const pipes = Array.from({ length: below(20) }, (): Pipe => [below(points), below(points), below(6)]);
      const side = sideOf(points, pipes);
      let best = Number.POSITIVE_INFINITY;
      for (let mask = 0; mask < 2 ** (points - 2); mask++) {
        const inside = (point: number): boolean =>
          point === points - 1 || (point > 0 && ((mask >> (point - 1)) & 1) === 1);
        best = Math.min(best, weight(pipes, inside));
      }
      expect(side.has(0)).toBe(false);
      expect(weight(pipes, (point) => side.has(point))).toBe(best);
    }
  });

  it('follows ways of a hundred thousand points', () => {
    const length = 100_000;
    const chain = Array.from({ length }, (_, i): Pipe => [i, i + 1, i === 40_000 ? 1 : 2]);
    expect(sideOf(length + 1, chain).size).toBe(length - 40_000);
  });
});
