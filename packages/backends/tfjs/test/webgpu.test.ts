import { readFileSync } from 'node:fs';
import type { Backend } from '@anneal/graph';
import { parseXfails, testBackend } from '@anneal/testkit';
import { afterAll, describe, it } from 'vitest';
import { tfjsBackend } from '../src/node/index.ts';

const xfails = (name: string): Record<string, string> =>
  parseXfails(readFileSync(new URL(`./${name}.txt`, import.meta.url), 'utf8'));

let opened: Promise<Backend> | undefined;
const open = (): Promise<Backend> => (opened ??= tfjsBackend({ device: 'webgpu' }));
afterAll(async () => (await opened)?.close());

// Needs a GPU, or a software driver such as SwiftShader: VK_DRIVER_FILES=…/vk_swiftshader_icd.json.
describe.skipIf(process.env['ANNEAL_TEST_WEBGPU'] !== '1')('on webgpu', () => {
  testBackend(open, { it, xfails: { ...xfails('xfails'), ...xfails('xfails-webgpu') } });
});
