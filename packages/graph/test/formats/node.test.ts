import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { GraphBuilder } from '../../src/builder.ts';
import { externalFolder, fileSource, loadOnnx, saveOnnx } from '../../src/node/index.ts';
import { loadTensor, tensor } from '../../src/tensor.ts';
import { expectFormatError } from './harness.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'anneal-'));
});
afterAll(() => rm(folder, { recursive: true }));

/** A graph of one parameter above the size that goes to its own file. */
function graphOf(value: number): ReturnType<GraphBuilder['build']> {
  const g = new GraphBuilder();
  g.output('y', g.parameter('p', tensor('float32', [512], new Float32Array(512).fill(value))));
  return g.build();
}

describe('fileSource', () => {
  it('reads ranges, and no more than there is', async () => {
    const path = join(folder, 'bytes');
    await writeFile(path, Uint8Array.of(1, 2, 3, 4));
    const source = await fileSource(path);
    expect([source.size, source.path]).toEqual([4, path]);
    expect(await source.read(1, 2)).toEqual(Uint8Array.of(2, 3));
    expect(await source.read(4, 0)).toEqual(new Uint8Array(0));
    for (const [offset, length] of [
      [3, 2],
      [-1, 1],
      [0, -1],
      [0.5, 1],
      [5, 0],
      [0, 2 ** 53],
    ] as const) {
      await expectFormatError(() => source.read(offset, length), /bytes, byte|outside the file of 4 bytes/);
    }
  });

  it('notices that the file became shorter', async () => {
    const path = join(folder, 'shorter');
    await writeFile(path, new Uint8Array(100));
    const source = await fileSource(path);
    await writeFile(path, new Uint8Array(10));
    await expectFormatError(() => source.read(50, 10), /replaced while it was in use/);
  });
});

describe('externalFolder', () => {
  it('opens files below the folder, and below nothing else', async () => {
    const model = join(folder, 'model');
    await mkdir(join(model, 'sub'), { recursive: true });
    await writeFile(join(folder, 'secret'), 'secret');
    await writeFile(join(model, 'sub', 'weights'), 'weights');
    await symlink(join(folder, 'secret'), join(model, 'link'));
    await symlink(folder, join(model, 'up'));
    await symlink(join(model, 'sub', 'weights'), join(model, 'inside'));
    const open = externalFolder(model);
    const text = async (location: string): Promise<string> => {
      const source = await open(location);
      return new TextDecoder().decode(await source.read(0, source.size));
    };
    expect(await text('sub/weights')).toBe('weights');
    expect(await text('./sub//weights')).toBe('weights');
    expect(await text('inside')).toBe('weights');
    await expectFormatError(() => text('link'), /is a link that leaves the folder/);
    await expectFormatError(() => text('up/secret'), /is a link that leaves the folder/);
    await expectFormatError(() => text('../secret'), /leaves the folder/);
    await expectFormatError(() => text(join(folder, 'secret')), /not relative/);
    await expectFormatError(() => text('missing'), /cannot be read/);
    await expectFormatError(() => text('sub'), /a folder, not a file/);
    await expectFormatError(() => text('.'), /a folder, not a file/);
  });

  it('follows links to a wider root when it is told to', async () => {
    const cache = join(folder, 'cache');
    await mkdir(join(cache, 'blobs'), { recursive: true });
    await mkdir(join(cache, 'snapshots', '1'), { recursive: true });
    await writeFile(join(cache, 'blobs', 'abc'), 'blob');
    await symlink('../../blobs/abc', join(cache, 'snapshots', '1', 'weights'));
    const snapshot = join(cache, 'snapshots', '1');
    await expectFormatError(() => externalFolder(snapshot)('weights'), /leaves the folder/);
    expect((await externalFolder(snapshot, { root: cache })('weights')).size).toBe(4);
  });
});

describe('saveOnnx and loadOnnx', () => {
  it('put weights beside the model when asked', async () => {
    const path = join(folder, 'm.onnx');
    await saveOnnx(graphOf(1), path);
    expect((await readdir(folder)).filter((name) => name.startsWith('m.onnx'))).toEqual(['m.onnx']);
    await saveOnnx(graphOf(2), path, { external: true });
    expect((await readdir(folder)).filter((name) => name.startsWith('m.onnx'))).toEqual(['m.onnx', 'm.onnx_data']);
    const { data } = (await loadOnnx(path)).parameters.get('p')!;
    expect('source' in data && data.source.path).toBe(`${path}_data`);
    expect((await loadTensor(data)).data[511]).toBe(2);
  });

  it('write a model over the one that it was read from', async () => {
    const path = join(folder, 'over.onnx');
    await saveOnnx(graphOf(3), path, { external: true });
    await saveOnnx(await loadOnnx(path), path, { external: true });
    const { data } = (await loadOnnx(path)).parameters.get('p')!;
    expect((await loadTensor(data)).data[0]).toBe(3);
  });

  it('leave both old files when the second one cannot be written', async () => {
    const path = join(folder, 'kept.onnx');
    await saveOnnx(graphOf(4), path, { external: true });
    const before = await readFile(`${path}_data`);
    const g = new GraphBuilder();
    const source = { name: 's', size: 4096, read: () => Promise.reject(new Error('unplugged')) };
    g.output('y', g.parameter('p', { dtype: 'uint8', shape: [4096], source, offset: 0 }));
    await expect(saveOnnx(g.build(), path, { external: true })).rejects.toThrow('unplugged');
    expect(await readFile(`${path}_data`)).toEqual(before);
    expect((await readdir(folder)).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('say which file is damaged', async () => {
    const path = join(folder, 'damaged.onnx');
    await writeFile(path, Uint8Array.of(0x3a, 0x7f));
    const error = await expectFormatError(() => loadOnnx(path), /damaged\.onnx, byte 0/);
    expect(error.at).toMatchObject({ file: path, offset: 0 });
  });
});
