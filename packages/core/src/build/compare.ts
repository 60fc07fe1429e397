import type { Tensors } from '@anneal/graph';

/** Largest absolute difference between two lists of outputs, and the largest magnitude of the first. */
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
        const delta = Math.abs(value - Number(other?.data[i] ?? Number.NaN));
        scale = Math.max(scale, Math.abs(value));
        // NaN anywhere is the largest difference there is.
        difference = Number.isNaN(delta) ? Number.POSITIVE_INFINITY : Math.max(difference, delta);
      }
    }
  });
  return { difference, scale, rows: a.length };
}
