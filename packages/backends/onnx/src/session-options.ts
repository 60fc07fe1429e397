import type { InferenceSession } from 'onnxruntime-node';
import type { DeviceName } from './devices.ts';
import type { SessionConfig } from './protocol.ts';

/**
 * How sessions of programs are created. A `strict` one is not when the device lacks a kernel: see {@link isFallback}.
 *
 * `set_denormal_as_zero` stays off: the first session of the process would set it for its calling thread alone, JS
 * included, and sessions of other threads would flush in half of their threads, so that the same run gives other bytes.
 */
export function sessionOptions(
  config: SessionConfig,
  folder: string | undefined,
  strict: boolean,
): InferenceSession.SessionOptions {
  const training = config.purpose === 'training';
  return {
    // The CPU provider is always there; naming it would forbid a strict session.
    executionProviders: [config.device],
    graphOptimizationLevel: config.optimization,
    executionMode: 'sequential',
    ...(config.threads === undefined ? {} : { intraOpNumThreads: config.threads }),
    interOpNumThreads: 1,
    enableCpuMemArena: true,
    // The plan of one block for all intermediate results is made in the first run and comes on top of what that run
    // took: a third more memory (1062 instead of 717 MB for a step of 5.3 M parameters), and no less time.
    enableMemPattern: false,
    // Errors are thrown; what ORT prints besides is for its developers.
    logSeverityLevel: 4,
    extra: {
      // What the backward pass computes again would be merged with the original, which would have to be kept then.
      ...(training && { optimization: { disable_specified_optimizers: 'CommonSubexpressionElimination' } }),
      session: {
        use_deterministic_compute: flag(config.deterministic),
        // A packed weight is a second copy, and one for the forward and one for the backward pass.
        disable_prepacking: flag(training),
        intra_op: { allow_spinning: flag(config.spin) },
        disable_cpu_ep_fallback: flag(strict),
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
    },
  };
}

/** How sessions are created that move a tensor, or are only asked for. */
export function smallSessionOptions(device: DeviceName, strict: boolean): InferenceSession.SessionOptions {
  return {
    executionProviders: [device],
    logSeverityLevel: 4,
    extra: { session: { disable_cpu_ep_fallback: flag(strict) } },
  };
}

/** Whether a strict session was refused because some nodes would run on the CPU. */
export function isFallback(error: unknown): boolean {
  return error instanceof Error && error.message.includes('fallback to CPU EP has been explicitly disabled');
}

function flag(on: boolean): string {
  return on ? '1' : '0';
}
