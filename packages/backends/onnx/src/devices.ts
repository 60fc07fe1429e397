/** Devices that ONNX Runtime has a provider for. */
export type DeviceName = 'cpu' | 'webgpu' | 'cuda' | 'coreml' | 'dml';

interface DeviceFacts {
  /** What people call it. */
  readonly title: string;
  /** Whether tensors can stay in its memory between runs: the Node binding has that for WebGPU alone. */
  readonly keepsState: boolean;
  /** What to do where it cannot be used. */
  readonly fix: string;
}

export const DEVICES: Readonly<Record<DeviceName, DeviceFacts>> = {
  cpu: { title: 'the CPU', keepsState: false, fix: 'reinstall onnxruntime-node' },
  webgpu: {
    title: 'WebGPU',
    keepsState: true,
    fix: 'install a graphics driver; on Linux that is a Vulkan driver and the loader libvulkan.so.1 (package `libvulkan1`)',
  },
  cuda: {
    title: 'CUDA',
    keepsState: false,
    fix:
      'Linux x64 only: `npm rebuild onnxruntime-node --foreground-scripts` fetches the provider, which needs an NVIDIA ' +
      'driver, CUDA and cuDNN 9 of the version that it was built for on the library path; or use `webgpu`',
  },
  coreml: { title: 'Core ML', keepsState: false, fix: 'it is for macOS on Apple silicon' },
  dml: { title: 'DirectML', keepsState: false, fix: 'it is for Windows, with a graphics card that has DirectX 12' },
};

export function isDevice(name: string): name is DeviceName {
  return Object.hasOwn(DEVICES, name);
}
