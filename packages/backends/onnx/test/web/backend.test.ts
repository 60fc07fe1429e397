import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Backend, GraphBuilder, tensor } from '@anneal/graph';
import { onnxBackend } from '../../src/index.ts';
import { webBackend } from '../../src/web/index.ts';

let web: Backend;
beforeAll(async () => {
  web = await webBackend();
});
afterAll(() => web.close());

const floats = (...values: number[]) => tensor('float32', [values.length], values);

function doubled() {
  const g = new GraphBuilder();
  g.output('y', g.ops.mul(g.input('x', 'float32', ['n']), 2));
  return g.build({ name: 'doubled' });
}

it('says what it is', () => {
  expect(web.info).toEqual({ name: 'onnx', version: 'onnxruntime-web 1.30.0', device: 'wasm', threads: 1 });
});

it('lets the thread breathe between runs', async () => {
  const program = await web.compile(doubled());
  let heard = 0;
  const { port1, port2 } = new MessageChannel();
  port1.on('message', () => heard++);
  const runs = Array.from({ length: 20 }, async () => {
    port2.postMessage('hello');
    await program.run({ x: floats(1) });
    return heard;
  });
  const seen = await Promise.all(runs);
  port1.close();
  expect(seen.at(-1)).toBe(20);
  await program.dispose();
});

it('gives 16-bit floats as their bits', async () => {
  const g = new GraphBuilder();
  g.output('y', g.ops.cast(g.input('x', 'float32', [2]), 'float16'));
  const program = await web.compile(g.build({ name: 'half' }));
  const { y } = await program.run({ x: floats(1, -2) });
  expect(y?.data).toEqual(Uint16Array.of(0x3c00, 0xc000));
});

it.each([0, 1.5, -1])('refuses %d threads', async (threads) => {
  await expect(webBackend({ threads })).rejects.toMatchObject({ code: 'ANNEAL_E_BACKEND' });
});

it('refuses threads in a page that is not cross-origin isolated', async () => {
  Object.defineProperty(globalThis, 'crossOriginIsolated', { value: false, configurable: true });
  try {
    await expect(webBackend({ threads: 2 })).rejects.toMatchObject({
      code: 'ANNEAL_E_BACKEND',
      fix: expect.stringContaining('Cross-Origin-Opener-Policy') as string,
    });
  } finally {
    Reflect.deleteProperty(globalThis, 'crossOriginIsolated');
  }
});

it('refuses the state of another backend, and everything once it is closed', async () => {
  const other = await onnxBackend({ threads: 1 });
  const state = await other.createState({ w: floats(1) });
  await expect(web.compile(doubled(), { state })).rejects.toThrow('belongs to another backend');
  await other.close();

  const closed = await webBackend();
  const program = await closed.compile(doubled());
  await closed.close();
  await expect(closed.compile(doubled())).rejects.toThrow('is closed');
  await expect(closed.createState({})).rejects.toThrow('is closed');
  await expect(program.run({ x: floats(1) })).rejects.toThrow('is disposed');
});

it('says what failed without the words of the wrapper around the runtime', async () => {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['n']);
  g.output('y', g.ops.add(x, g.input('z', 'float32', ['m'])));
  const program = await web.compile(g.build({ name: 'sum' }));
  const error = await program.run({ x: floats(1, 2), z: floats(1, 2, 3) }).catch((thrown: unknown) => thrown);
  expect(error).toMatchObject({
    code: 'ANNEAL_E_BACKEND',
    at: { program: 'sum' },
    fix: 'shapes of the feeds do not fit together: dimensions with one name must be equal',
  });
  expect((error as Error).message).not.toContain('ERROR_CODE');
});
