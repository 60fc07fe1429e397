import type { InferenceSession } from 'onnxruntime-node';
import type { SessionConfig } from './protocol.ts';

/**
 * How sessions are created.
 *
 * `set_denormal_as_zero` stays off: the first session of the process would set it for its calling thread alone, JS
 * included, and sessions of other threads would flush in half of their threads, so that the same run gives other bytes.
 */
export function sessionOptions(config: SessionConfig, folder: string | undefined): InferenceSession.SessionOptions {
  const training = config.purpose === 'training';
  return {
    executionProviders: ['cpu'],
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
        ...(folder === undefined ? {} : { model_external_initializers_file_folder_path: folder }),
      },
    },
  };
}

function flag(on: boolean): string {
  return on ? '1' : '0';
}
