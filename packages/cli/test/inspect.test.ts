import { join } from 'node:path';

import { type Graph, GraphBuilder, tensor, type Value, zeros } from '@anneal/graph';
import { saveOnnx } from '@anneal/graph/node';
import { describe, expect, it } from 'vitest';

import { main } from '../src/main.ts';
import { fakeIo, fakeServices, folder } from './fakes.ts';

async function run(cwd: string, ...argv: string[]) {
  const io = fakeIo({ cwd });
  const code = await main(argv, io, argv[1] === 'hooks' || argv[0] === 'plan' ? fakeServices().services : undefined);
  return { code, out: io.stdout.text(), err: io.stderr.text() };
}

/** A plugin without any dependency, with one option. */
const plugin = `
const schema = { '~standard': { version: 1, vendor: 'own', validate: ({ rank = 8, ...rest }) =>
  Object.keys(rest).length > 0 ? { issues: [{ message: 'unknown key', path: [Object.keys(rest)[0]] }] } : { value: { rank } } } };
export default Object.assign(
  (options = {}) => ({ name: 'own', version: '1.0.0', before: ['x'], after: [], options, schema, setup() {}, [Symbol.for('anneal.plugin')]: true }),
  { pluginName: 'own', schema },
);`;
const project = {
  'package.json': {
    type: 'module',
    devDependencies: { 'anneal-plugin-own': '1', 'anneal-plugin-gone': '1', other: '1' },
  },
  'anneal.config.json': {
    name: 'demo',
    plugins: [['own', { rank: 4 }]],
    gates: { 'size.ratio': '<= 0.5' },
    env: { fast: { train: { epochs: 1 } } },
  },
  'node_modules/anneal-plugin-own/package.json': { name: 'anneal-plugin-own', type: 'module', exports: './index.js' },
  'node_modules/anneal-plugin-own/index.js': plugin,
};

describe('inspect config', () => {
  it('shows every value with its source', async () => {
    const { code, out } = await run(folder(project), 'inspect', 'config', '--mode', 'fast', '--seed', '3');
    expect(code).toBe(0);
    const rows = out.split('\n').map((line) => line.trim().split(/ {2,}/));
    expect(rows).toContainEqual(['seed', '3', '--seed']);
    expect(rows).toContainEqual(['train.epochs', '1', 'anneal.config.json (env.fast)']);
    expect(rows).toContainEqual(['train.batchSize', '32', 'defaults']);
    expect(rows).toContainEqual(['plugins', 'own', 'anneal.config.json']);
    expect(rows).toContainEqual(['gates["size.ratio"]', '"<= 0.5"', 'anneal.config.json']);
    expect(rows).toContainEqual(['main', 'new model', 'train, evaluate, emit', 'own']);
  });

  it('prints JSON', async () => {
    const { out } = await run(folder(project), 'inspect', 'config', '--json');
    expect(JSON.parse(out)).toMatchObject({
      name: 'demo',
      stages: [{ name: 'main', plugins: ['own'], train: { epochs: 3 } }],
    });
  });

  it('exits with 2 when the config is not valid', async () => {
    const cwd = folder({ ...project, 'anneal.config.json': { plugins: [['own', { rnk: 1 }]], sed: 1 } });
    const { code, err } = await run(cwd, 'inspect', 'config');
    expect(code).toBe(2);
    expect(err).toContain('unknown key `sed`, did you mean `seed`?\n  at  sed  (anneal.config.json)');
  });
});

it('inspect plugins shows given and completed options', async () => {
  const { code, out } = await run(folder(project), 'inspect', 'plugins');
  expect(code).toBe(0);
  expect(out).toBe('main\n  own 1.0.0, before x\n    rank  4\n');
  const json = await run(
    folder({ ...project, 'anneal.config.json': { plugins: ['own'] } }),
    'inspect',
    'plugins',
    '--json',
  );
  expect(JSON.parse(json.out)).toMatchObject([
    { stage: 'main', plugins: [{ name: 'own', given: {}, options: { rank: 8 } }] },
  ]);
});

it('inspect hooks shows taps in order, all or of one hook', async () => {
  const all = await run('/nowhere', 'inspect', 'hooks');
  expect(all.out).toBe(
    'main\n  train.transformLoss      lora      sync-waterfall\n  compress.transformModel  quantize  waterfall, STAGE.QUANTIZE\n',
  );
  const group = await run('/nowhere', 'inspect', 'hooks', 'compress', '--json');
  expect(JSON.parse(group.out)).toMatchObject([{ plugin: 'quantize', order: 400 }]);
});

it('plan shows what is cached', async () => {
  const { code, out } = await run('/nowhere', 'plan');
  expect(code).toBe(0);
  expect(out).toMatchInlineSnapshot(`
    "  stage  phase                time   memory  why
      main   data   cached
      main   train  run     1 min 15 s  1.50 GB  train.epochs: 2 → 3
                                                 (anneal.config.ts)

    1 of 2 phases would run: about 1 min 15 s
      time, from 40 steps at the 1,200 tokens/s of the last training: main train
      memory, from the programs of this training: main train
    "
  `);
  expect(JSON.parse((await run('/nowhere', 'plan', '--json')).out)).toHaveLength(2);
});

it('schema describes installed plugins, even when the config is not valid', async () => {
  const { code, out } = await run(folder(project), 'schema');
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    definitions: { own: { $comment: expect.stringContaining('own') as string } },
  });
  const broken = folder({ ...project, 'anneal.config.json': { plugins: 7 } });
  const written = await run(broken, 'schema', '--output', 'x.json');
  expect(written.out).toContain('wrote x.json with the options of 1 plugins: own');
  expect(written.out).toContain('"$schema": "./x.json"');
  const elsewhere = join(folder(), 'y.json');
  expect((await run(broken, 'schema', '-o', elsewhere)).out).toMatch(/"\$schema": "\.\.\/[^/]+\/y\.json"/);
  expect((await run(folder(), 'schema')).code).toBe(0);
});

describe('doctor', () => {
  it('finds what is not installed', async () => {
    const { code, out } = await run(folder(project), 'doctor');
    expect(code).toBe(1);
    expect(out).toContain(` ${process.version} on `);
    expect(out).toMatch(/✗ plugins +not installed: anneal-plugin-gone/);
    expect(out).toMatch(/✗ backend onnx +not installed\n +fix run `npm install -D @anneal\/backend-onnx`/);
  });

  it.each([
    [
      'export const ownDoctor = async () => ({ runtime: "own 1.0", computes: true, gflops: 171.234, list: [] })',
      0,
      '✓ backend @me/b  own 1.0, computes, gflops 171',
    ],
    [
      'export const ownDoctor = async ({ device }) => ({ device, devices: [{ device: "gpu", problem: "no driver", fix: "install it" }] })',
      0,
      '✓ backend @me/b  auto\n·   gpu          no driver\n                 fix install it',
    ],
    [
      'export const ownDoctor = async () => ({ devices: [{ device: "gpu", about: "Own GPU", gflops: 900 }] })',
      0,
      '✓   gpu          Own GPU, gflops 900',
    ],
    ['export const ownDoctor = async () => ({ computes: false })', 1, '✗ backend @me/b  not computes'],
    ['export const ownDoctor = async () => { throw new Error("no library") }', 1, '✗ backend @me/b  no library'],
    ['throw new Error("cannot load")', 1, '✗ backend @me/b  cannot load'],
    ['export const openBackend = 1', 0, '· backend @me/b  installed; it has no self-test'],
  ])('asks backends: %s', async (source, exit, line) => {
    const cwd = folder({
      'package.json': {},
      'anneal.config.json': { backend: '@me/b' },
      'node_modules/@me/b/package.json': { name: '@me/b', type: 'module', exports: './index.js' },
      'node_modules/@me/b/index.js': source,
    });
    const { code, out } = await run(cwd, 'doctor');
    expect(out).toContain(line);
    expect(code).toBe(exit);
  });

  it('goes on without a config, and with one that is not valid', async () => {
    const none = await run(folder({ 'package.json': {} }), 'doctor', '--json');
    const findings = JSON.parse(none.out) as { name: string; ok?: boolean; fix?: string }[];
    expect(findings.find(({ name }) => name === 'config')).toMatchObject({ fix: 'run `anneal init`' });
    const broken = await run(folder({ 'anneal.config.json': { sed: 1 } }), 'doctor');
    expect(broken.code).toBe(1);
    expect(broken.out).toMatch(/✗ config +ANNEAL_E_CONFIG {2}unknown key `sed`/);
  });
});

/** x [batch, 4] · W [4, 3], then a relu. */
function small(): Graph {
  const g = new GraphBuilder();
  const x = g.input('x', 'float32', ['batch', 4]);
  const w = g.parameter(
    'encoder.weight',
    tensor(
      'float32',
      [4, 3],
      Array.from({ length: 12 }, (_, i) => i),
    ),
  );
  const table = g.parameter('table', zeros('float32', [100, 4]));
  const h = g.ops.relu(g.ops.matmul(g.ops.add(x, g.ops.mean(table, { axes: [0] })), w));
  g.output('y', h);
  return g.build({ name: 'small' });
}

describe('graph', () => {
  it('reads a file and prints what it finds', async () => {
    const cwd = folder();
    await saveOnnx(small(), join(cwd, 'm.onnx'));
    const { code, out } = await run(cwd, 'inspect', 'graph', 'm.onnx', '--dim', 'batch=5');
    expect(code).toBe(0);
    // 2 · 5 · 4 · 3
    expect(out).toContain('120 FLOP with batch 5');
    expect(out).toContain('✓ differentiable');
    const json = JSON.parse((await run(cwd, 'inspect', 'graph', 'm.onnx', '--json', '--top', '1')).out) as object;
    expect(json).toMatchObject({
      parameters: 412,
      tensors: [{ name: 'table' }],
      work: { flops: 24, dims: { batch: 1 } },
      memory: { tensors: [{ bytes: 16 }] },
    });
  });

  it('says what gradients cannot pass, where it is and what to do, in few columns too', async () => {
    const g = new GraphBuilder();
    const w = g.parameter('w', zeros('float32', [4, 4]));
    let x = g.input('x', 'float32', ['batch', 4]);
    for (let i = 0; i < 7; i++) {
      const h = g.scope(`layer.${i}`, () => g.ops.matmul(x, w));
      const [codes, scale, zero] = g.scope(`layer.${i}`, () =>
        g.node('DynamicQuantizeLinear', [h], { outputs: 3, names: [`codes${i}`] }),
      );
      x = g.one('DequantizeLinear', [codes, scale, zero]);
    }
    g.output('y', x);
    const cwd = folder();
    await saveOnnx(g.build(), join(cwd, 'm.onnx'));
    const { out } = await run(cwd, 'inspect', 'graph', 'm.onnx');
    expect(out.slice(out.indexOf('Gradients'))).toMatchInlineSnapshot(`
      "Gradients
        ✗ DynamicQuantizeLinear  7×  integer arithmetic has no derivative
            in     layer.0, layer.1, layer.2, layer.3, layer.4 and 2 more
            makes  codes0, codes1, codes2, codes3, codes4 and 2 more
            fix    rewrite it to DequantizeLinear and MatMul, or freeze what lies
                   below
      "
    `);
    const json = JSON.parse((await run(cwd, 'inspect', 'graph', 'm.onnx', '--json')).out) as object;
    expect(json).toMatchObject({
      obstacles: [{ count: 7, results: ['codes0', 'codes1', 'codes2', 'codes3', 'codes4', 'codes5', 'codes6'] }],
    });
  });

  it('finds nothing to train where no weight is a float, and no name for sizes that follow from several', async () => {
    const g = new GraphBuilder();
    const [a, b] = ['a', 'b'].map((name) => g.input(name, 'int64', [name])) as [Value, Value];
    g.output('sum', g.ops.add(g.ops.add(a, b), g.parameter('w', zeros('int64', [1]))));
    const cwd = folder();
    await saveOnnx(g.build(), join(cwd, 'm.onnx'));
    const { out } = await run(cwd, 'inspect', 'graph', 'm.onnx');
    expect(out).toContain('  no weights of a floating-point type: nothing to train');
    expect(out).toContain('1 in 1 tensor, 8 B');
    expect(out).toContain('sum  int64  [?]');
  });

  it.each([
    [['m.onnx', '--dim', 'bach=5'], 2, 'has no symbolic dimension `bach`'],
    [['m.onnx', '--dim', 'batch=0'], 2, 'must be a whole number'],
    [['m.onnx', '--top', 'x'], 2, '`--top` must be a whole number'],
    [['no.onnx'], 1, 'no.onnx: there is no such file'],
    [['.'], 1, 'this is a folder, not a file'],
    [['package.json'], 1, 'ANNEAL_E_FORMAT'],
    [[], 2, 'needs a file'],
  ])('says what is wrong: %j', async (argv, exit, message) => {
    const cwd = folder({ 'package.json': {} });
    await saveOnnx(small(), join(cwd, 'm.onnx'));
    const { code, err } = await run(cwd, 'inspect', 'graph', ...argv);
    expect(err).toContain(message);
    expect(code).toBe(exit);
  });
});
