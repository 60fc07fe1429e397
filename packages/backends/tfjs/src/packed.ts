import type { Tensors } from '@anneal/graph';
import { toDevice } from './device/types.ts';
import type { Packet } from './protocol.ts';

/** Tensors in arrays of their own, which a device may keep: the caller's stay the caller's. */
export function packed(
  what: (name: string) => string,
  tensors: Tensors,
): { readonly packets: Record<string, Packet>; readonly transfer: readonly ArrayBuffer[] } {
  const packets: Record<string, Packet> = {};
  const transfer: ArrayBuffer[] = [];
  for (const [name, tensor] of Object.entries(tensors)) {
    const { data, dtype } = toDevice(what(name), tensor);
    const own = data === tensor.data ? data.slice() : data;
    packets[name] = { data: own, dtype, shape: [...tensor.shape] };
    transfer.push(own.buffer as ArrayBuffer);
  }
  return { packets, transfer };
}
