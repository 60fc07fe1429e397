import type { engine, getKernel, getKernelsForBackend, KernelBackend, setBackend } from '@tensorflow/tfjs-core';

/** What is used of `@tensorflow/tfjs-core`. A native package brings a copy of its own, with its own registry of kernels. */
export interface TfjsCore {
  readonly engine: typeof engine;
  readonly getKernel: typeof getKernel;
  readonly getKernelsForBackend: typeof getKernelsForBackend;
  readonly setBackend: typeof setBackend;
  readonly version_core: string;
}

/** A device that is ready to compute. */
export interface OpenDevice {
  /** As the config names it. */
  readonly device: string;
  /** The name that its kernels are registered under. */
  readonly kernels: string;
  readonly core: TfjsCore;
  readonly backend: KernelBackend;
  /** Name and version of the runtime, for cache keys: `tfjs 4.22.0 wasm`. */
  readonly version: string;
  /** What it is, for people. */
  readonly about: string;
  /**
   * Its kernels are operators of a library whose tensors have their shapes in them, and are given tensors of the engine.
   */
  readonly native?: boolean | undefined;
  /** A driver that computes on the processor: slower there than wasm. */
  readonly software?: boolean | undefined;
  /** What went wrong on the device since the last call and no kernel said, as that of a shader that is not valid. */
  readonly fault?: (() => string | undefined) | undefined;
  /** Resolves with the reason when the device is lost; absent where it cannot be. */
  readonly lost?: Promise<string> | undefined;
}
