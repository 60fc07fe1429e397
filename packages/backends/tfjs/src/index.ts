import { type Backend, GraphError } from '@anneal/graph';
import { TfjsBackend } from './backend.ts';
import { Executor } from './device/executor.ts';
import { PLAIN, type PlainDevice } from './device/plain.ts';
import { DirectChannel } from './direct-channel.ts';

export type { PlainDevice };

/** Options of {@link tfjsBackend}. */
export interface TfjsBackendOptions {
  /** @defaultValue `'auto'`: the first of webgpu, wasm and cpu that starts */
  device?: 'auto' | PlainDevice | undefined;
}

const ORDER = Object.keys(PLAIN) as PlainDevice[];

/**
 * TensorFlow.js in this thread, for pages. A run blocks it while the kernels of wasm and cpu compute; put the backend into
 * a worker of your own where that matters.
 *
 * ```ts
 * const backend = await tfjsBackend({ device: 'wasm' });
 * const program = await backend.compile(graph);
 * const { y } = await program.run({ x: tensor('float32', [1, 4], [1, 2, 3, 4]) });
 * await backend.close();
 * ```
 *
 * @throws GraphError `ANNEAL_E_BACKEND` when no device, or not the one that is named, starts.
 */
export async function tfjsBackend({ device = 'auto' }: TfjsBackendOptions = {}): Promise<Backend> {
  if (device !== 'auto' && !Object.hasOwn(PLAIN, device)) {
    throw new GraphError(
      'ANNEAL_E_BACKEND',
      `device must be one of auto, ${ORDER.join(', ')}, received ${String(device)}`,
    );
  }
  const problems: string[] = [];
  for (const name of device === 'auto' ? ORDER : [device]) {
    try {
      const open = await PLAIN[name]();
      if (device === 'auto' && open.software) continue;
      return new TfjsBackend(open, new DirectChannel(new Executor(open)));
    } catch (error) {
      problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  throw new GraphError('ANNEAL_E_BACKEND', `TensorFlow.js cannot start: ${problems.join('; ')}`, {
    fix: device === 'auto' ? undefined : 'choose another device, or `auto`',
  });
}
