import type { Tensors } from '@anneal/graph';

/** Largest absolute difference between two lists of outputs, and the largest finite magnitude of the first. */
export function compareOutputs(
  a: readonly Tensors[],
  b: readonly Tensors[],
): { readonly difference: number; readonly scale: number; readonly rows: number } {
  let difference = 0;
  let scale = 0;
  a.forEach((outputs, row) => {
    for (const [name, tensor] of Object.entries(outputs)) {
      const other = b[row]?.[name];
      for (let i = 0; i < tensor.data.length; i++) {
        const value = Number(tensor.data[i]);
        const second = Number(other?.data[i] ?? Number.NaN);
        // Equal infinities, as masks are, differ by nothing.
        const delta = value === second ? 0 : Math.abs(value - second);
        if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
        // NaN anywhere is the largest difference there is.
        difference = Number.isNaN(delta) ? Number.POSITIVE_INFINITY : Math.max(difference, delta);
      }
    }
  });
  return { difference, scale, rows: a.length };
}
