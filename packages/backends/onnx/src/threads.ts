import { readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/**
 * Physical cores that this process may use, where the system tells: matrix kernels gain nothing from two threads on
 * one core. `undefined` elsewhere; then ONNX Runtime counts them itself.
 */
export function physicalCores(topology: string = '/sys/devices/system/cpu'): number | undefined {
  // Macs that ONNX Runtime supports have one thread per core.
  if (process.platform === 'darwin') return availableParallelism();
  try {
    const siblings = readdirSync(topology)
      .filter((name) => /^cpu\d+$/.test(name))
      .map((name) => readFileSync(`${topology}/${name}/topology/thread_siblings_list`, 'utf8').trim());
    const cores = new Set(siblings).size;
    return cores === 0 ? undefined : Math.min(cores, availableParallelism());
  } catch {
    return undefined;
  }
}
