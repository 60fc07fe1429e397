import { Tensor, type TensorInfo } from '@tensorflow/tfjs-core';
import type { OpenDevice, TfjsCore } from '../src/device/core.ts';
import { PLAIN } from '../src/device/plain.ts';

type Results = TensorInfo | TensorInfo[];

const listed = (results: Results): readonly TensorInfo[] => (Array.isArray(results) ? results : [results]);

/**
 * The kernels of the device `cpu`, as strict about tensors as TensorFlow's library: operands are tensors of the engine, in
 * the shape in which their elements were made. The library does not look at any other shape, and computes with its own.
 */
export async function strictDevice(): Promise<OpenDevice> {
  const open = await PLAIN.cpu();
  const { core, backend } = open;
  const shapes = new WeakMap<object, string>();
  const note = <T extends TensorInfo>(made: T): T => {
    if (!shapes.has(made.dataId)) shapes.set(made.dataId, String(made.shape));
    return made;
  };
  const check = (kernel: string, operand: TensorInfo): void => {
    if (!(operand instanceof Tensor)) throw new Error(`${kernel}: the operand is no tensor of the engine`);
    const held = shapes.get(operand.dataId);
    if (held !== String(operand.shape)) throw new Error(`${kernel}: [${held}] is given as [${String(operand.shape)}]`);
  };

  const getKernel: TfjsCore['getKernel'] = (name, device) => {
    const config = core.getKernel(name, device);
    return (
      config && {
        ...config,
        kernelFunc: (params) => {
          for (const operand of Object.values(params.inputs)) if (operand) check(name, operand);
          const results = config.kernelFunc(params);
          if (name === 'Reshape') return moved(results as TensorInfo);
          listed(results).forEach(note);
          return results;
        },
      }
    );
  };
  /** What this device reshapes it shares. */
  const moved = ({ dataId, shape, dtype }: TensorInfo): TensorInfo => {
    const values = (backend as unknown as { readSync(id: object): Float32Array }).readSync(dataId).slice();
    backend.disposeData(dataId);
    return note({ dataId: backend.write(values, shape, dtype), shape, dtype });
  };
  const noting = new Proxy(backend, {
    get(target, key) {
      const member: unknown = Reflect.get(target, key);
      if (typeof member !== 'function') return member;
      if (key !== 'write') return member.bind(target) as unknown;
      return (values: Float32Array, shape: number[], dtype: 'float32') =>
        note({ dataId: target.write(values, shape, dtype), shape, dtype }).dataId;
    },
  });
  // Kernels get what is not watched: what they write for themselves is no operand of others.
  return { ...open, device: 'strict', core: { ...core, getKernel }, backend: noting, native: true };
}
