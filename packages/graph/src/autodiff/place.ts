import { opKey } from '../infer/index.ts';
import type { Node } from '../ir.ts';

/** A node in an error: operator, name in the file that it came from, module path. */
export function whereIs({ domain, op, name, scope }: Node): string {
  const named = name === undefined ? '' : ` "${name}"`;
  return `${opKey(domain, op)}${named}${scope === '' ? '' : ` in ${scope}`}`;
}

/** The same as data. A node without a name is known by what it produces. */
export function placeOf(node: Node): Readonly<Record<string, string>> {
  const name = node.name ?? node.outputs.find((value) => value !== undefined)?.name ?? '';
  return { op: opKey(node.domain, node.op), node: name, module: node.scope };
}
