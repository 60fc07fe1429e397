import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { DeviceName } from './devices.ts';
import type { EdgeType } from './edge-types.ts';
import { field, numberField, textField } from './protobuf.ts';
import { isFallback, smallSessionOptions } from './session-options.ts';

/** Their numbers in ONNX. */
const ELEMENT_TYPES: Readonly<Record<EdgeType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
};

interface Copiers {
  readonly toDevice: InferenceSession;
  readonly toHost: InferenceSession;
}

/**
 * Tensors in the memory of a device. The Node binding has no call that moves one; a session that returns its input
 * does, there and back.
 */
export class DeviceMemory {
  readonly #device: DeviceName;
  readonly #copiers = new Map<EdgeType, Copiers | undefined>();

  constructor(device: DeviceName) {
    this.#device = device;
  }

  /** Whether the device takes tensors of a type; where not they stay here. */
  async holds(type: EdgeType): Promise<boolean> {
    return (await this.#copiersOf(type)) !== undefined;
  }

  /** The tensor on the device, or itself where the device does not take it. */
  async upload(tensor: Tensor): Promise<Tensor> {
    const copiers = tensor.location === 'cpu' ? await this.#copiersOf(tensor.type as EdgeType) : undefined;
    return copiers === undefined ? tensor : copied(copiers.toDevice, tensor);
  }

  /** The tensor in memory that JavaScript reads. It is nobody else's when it was on the device. */
  async download(tensor: Tensor): Promise<Tensor> {
    if (tensor.location === 'cpu') return tensor;
    return copied(((await this.#copiersOf(tensor.type as EdgeType)) as Copiers).toHost, tensor);
  }

  async #copiersOf(type: EdgeType): Promise<Copiers | undefined> {
    if (!this.#copiers.has(type)) this.#copiers.set(type, await copiersFor(type, this.#device));
    return this.#copiers.get(type);
  }
}

async function copied(session: InferenceSession, x: Tensor): Promise<Tensor> {
  return (await session.run({ x }))['y'] as Tensor;
}

/** @throws what the runtime says when the device cannot be used at all. */
async function copiersFor(type: EdgeType, device: DeviceName): Promise<Copiers | undefined> {
  const model = identity(ELEMENT_TYPES[type]);
  const create = (preferredOutputLocation: 'cpu' | 'gpu-buffer'): Promise<InferenceSession> =>
    InferenceSession.create(model, { ...smallSessionOptions(device, true), preferredOutputLocation });
  try {
    return { toDevice: await create('gpu-buffer'), toHost: await create('cpu') };
  } catch (error) {
    if (isFallback(error)) return undefined;
    throw error;
  }
}

/** Runs a copy on the device. @throws what the runtime says when it cannot be used. */
export async function checkDevice(device: DeviceName): Promise<void> {
  const session = await InferenceSession.create(identity(ELEMENT_TYPES.float32), smallSessionOptions(device, false));
  await copied(session, new Tensor('float32', Float32Array.of(1), [1]));
  await session.release();
}

/** A ModelProto whose output `y` is its input `x`, of any shape. */
function identity(elementType: number): Uint8Array {
  const type = field(2, field(1, numberField(1, elementType)));
  const node = [...textField(1, 'x'), ...textField(2, 'y'), ...textField(4, 'Identity')];
  const value = (name: string): number[] => [...textField(1, name), ...type];
  const graph = [...field(1, node), ...textField(2, 'copy'), ...field(11, value('x')), ...field(12, value('y'))];
  const opset = [...textField(1, ''), ...numberField(2, 21)];
  return Uint8Array.from([...numberField(1, 10), ...field(7, graph), ...field(8, opset)]);
}
