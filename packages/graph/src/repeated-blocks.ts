/** A number as a whole component of a module path; TensorFlow's exporters write `layer_._3`. */
const NUMBERED = /(?:^|[./])_?\d+(?=[./]|$)/g;

/**
 * Finds the repeated blocks of a model in its module paths: a block ends with the first number that takes at least two
 * values after the same beginning, as in `model.layers.3`, `encoder.layer.0`, `/model/layers.0` or `layer_._3`. Blocks
 * inside blocks (experts, heads) belong to the outer one.
 *
 * @param scopes module paths of a graph's nodes
 * @returns the block that a module path lies in; `undefined` outside of all
 */
export function repeatedBlocks(scopes: Iterable<string>): (scope: string) => string | undefined {
  const distinct = new Set(scopes);
  const siblings = new Map<string, Set<string>>();
  for (const scope of distinct) {
    for (const { 0: part, index } of scope.matchAll(NUMBERED)) {
      const parent = scope.slice(0, index);
      siblings.set(parent, (siblings.get(parent) ?? new Set()).add(part));
    }
  }
  const blockOf = (scope: string): string | undefined => {
    for (const { 0: part, index } of scope.matchAll(NUMBERED)) {
      if ((siblings.get(scope.slice(0, index))?.size ?? 0) > 1) return scope.slice(0, index + part.length);
    }
    return undefined;
  };
  const blocks = new Map([...distinct].map((scope) => [scope, blockOf(scope)]));
  return (scope) => (blocks.has(scope) ? blocks.get(scope) : blockOf(scope));
}
