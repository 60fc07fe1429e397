import type { Tap } from '../hooks/create.ts';
import { STAGE } from '../hooks/types.ts';
import { orderRules } from './order.ts';
import type { Plugin } from './types.ts';

/** A number in a hook by the last named stage before it: `STAGE.FOLD`, `STAGE.PRUNE - 1`. */
function stageText(order: number): string {
  const near = Object.entries(STAGE).toSorted(([, a], [, b]) => Math.abs(order - a) - Math.abs(order - b))[0];
  const [name, at] = near as [string, number];
  const away = order - at;
  // Far from every named stage the number says more.
  if (Math.abs(away) > 99) return `stage ${order}`;
  return `STAGE.${name}${away === 0 ? '' : ` ${away > 0 ? '+' : '-'} ${Math.abs(away)}`}`;
}

/**
 * Why each tap stands where it does among those of its hook; nothing to say of one that stands where its plugin is
 * listed.
 */
export function tapReasons(taps: readonly Tap[], plugins: readonly Plugin[]): readonly (readonly string[])[] {
  const rules = orderRules(plugins);
  const enforced = new Map(plugins.map(({ name, enforce }) => [name, enforce]));
  return taps.map(({ hook, plugin, order }) => {
    const beside = new Set(taps.filter((tap) => tap.hook === hook && tap.order === order).map((tap) => tap.plugin));
    const tier = enforced.get(plugin);
    return [
      ...(order === 0 ? [] : [stageText(order)]),
      ...(tier === undefined ? [] : [`enforce ${tier}`]),
      ...rules
        .filter(({ first, second }) => second === plugin && beside.has(first))
        .map(({ first, because }) => `after ${first}: ${because}`),
      ...rules
        .filter(({ first, second }) => first === plugin && beside.has(second))
        .map(({ second, because }) => `before ${second}: ${because}`),
    ];
  });
}
