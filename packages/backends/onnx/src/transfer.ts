import type { TensorData, Tensors } from '@anneal/graph';

/**
 * Copies of tensors in buffers of their own, which move to the worker without another copy. The caller keeps its
 * arrays: batches are small, and a shared buffer is refused by the runtime. Only those that are `ours` go as they are.
 */
export function packed(
  tensors: Tensors,
  ours: ReadonlySet<string> = new Set(),
): {
  readonly tensors: Record<string, TensorData>;
  readonly transfer: readonly ArrayBuffer[];
} {
  const copies: Record<string, TensorData> = {};
  const transfer: ArrayBuffer[] = [];
  for (const [name, { dtype, shape, data }] of Object.entries(tensors)) {
    const copy = ours.has(name) && data.byteLength === data.buffer.byteLength ? data : data.slice();
    copies[name] = { dtype, shape, data: copy };
    transfer.push(copy.buffer as ArrayBuffer);
  }
  return { tensors: copies, transfer };
}
