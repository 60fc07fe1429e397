/** Why the tests that need WebGPU do not run; `undefined` when they do. `.ci/run` sets up an emulated device. */
export const SKIPPED: string | undefined =
  process.env['ANNEAL_TEST_WEBGPU'] === '1' ? undefined : 'needs a Vulkan driver and ANNEAL_TEST_WEBGPU=1';
