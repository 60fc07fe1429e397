import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { type Model } from '@anneal/core';
import { bind, type Graph, GraphBuilder, gradients, inline, interpret, type TensorData } from '@anneal/graph';
import { describe, expect, it } from 'vitest';

import { adaptersOf, adapterStateOf, attachAdapter, foldAdapters, type LoraOptions } from '../src/index.ts';
import { openAdapter } from '../src/node/index.ts';
import { bert, CASES, feeds, FIXTURES, setUp, trained } from './bert.ts';

interface Golden {
  readonly logits: readonly (readonly number[])[];
  readonly merged: readonly (readonly number[])[];
  readonly gradients?: Readonly<
    Record<string, { readonly shape: readonly number[]; readonly data: readonly number[] }>
  >;
}
/** What PEFT computes in float64, with the adapters in the folders of the same names. */
const { adapters: goldens } = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8')) as {
  readonly adapters: Readonly<Record<string, Golden>>;
};

async function logitsOf(graph: Graph, precision?: 'float64'): Promise<number[]> {
  const { logits } = await interpret(graph, feeds(), precision === undefined ? {} : { precision });
  return Array.from(logits!.data, Number);
}

function expectClose(actual: readonly number[], wanted: readonly number[], tolerance: number): void {
  expect(actual).toHaveLength(wanted.length);
  const gap = Math.max(...wanted.map((value, i) => Math.abs(value - actual[i]!)));
  expect(gap).toBeLessThan(tolerance);
}

/** The largest logit is about 5: float32 keeps this much. */
const FLOAT32 = 1e-5;

/** Graphs hold scales as float32, PEFT as double: they are the same number unless there is a root in it. */
function toleranceOf(graph: Graph): number {
  return adaptersOf(graph).every(({ scale }) => Math.fround(scale) === scale) ? 1e-10 : 1e-6;
}

async function adapted(options: LoraOptions): Promise<Model> {
  const { adapt } = await setUp(options);
  return trained(await adapt(await bert()));
}

describe.each(Object.keys(CASES))('the adapter %s', (name) => {
  const golden = goldens[name]!;
  const options = CASES[name]!;

  it('is written byte for byte as PEFT read it', async () => {
    const { emit } = await setUp(options);
    const files = await emit(await adapted(options));
    expect([...files.keys()]).toEqual(['adapter/adapter_config.json', 'adapter/adapter_model.safetensors']);
    for (const [path, data] of files) {
      const stored = await readFile(join(FIXTURES, name, path.slice('adapter/'.length)));
      expect(Buffer.from(data as Uint8Array).equals(stored)).toBe(true);
    }
  });

  it('computes what PEFT computes with that file, before and after folding', async () => {
    const { graph } = await adapted(options);
    expectClose(await logitsOf(graph, 'float64'), golden.logits.flat(), toleranceOf(graph));
    expectClose(await logitsOf(graph), golden.logits.flat(), FLOAT32);
    expectClose(golden.merged.flat(), golden.logits.flat(), 1e-10);
    expectClose(await logitsOf(await foldAdapters(graph)), golden.logits.flat(), FLOAT32);
  });

  it('has the gradients of PEFT, and no others', async () => {
    const { graph } = await adapted(options);
    const found = await gradientsOf(graph);
    expect([...found.keys()].sort()).toEqual(trainableOfPeft(golden, graph));
    for (const [parameter, { shape, data }] of found) {
      const wanted = golden.gradients![parameter]!;
      const transposed = graph.parameters.get(parameter)!.transposed;
      expect(transposed ? shape.toReversed() : shape).toEqual(wanted.shape);
      const [rows = 1, columns = 1] = wanted.shape;
      const expected = transposed
        ? Array.from({ length: data.length }, (_, i) => wanted.data[(i % rows) * columns + Math.floor(i / rows)]!)
        : wanted.data;
      // Derivatives of GELU and means have float32 constants too.
      expectClose(Array.from(data, Number), expected, Math.max(1e-7, toleranceOf(graph)));
    }
  });

  it('is read back, and goes on as before', async () => {
    const { graph } = await adapted(options);
    const peft = await openAdapter(join(FIXTURES, name));
    const again = await attachAdapter((await bert()).graph, peft);
    expect(await logitsOf(again)).toEqual(await logitsOf(graph));
    const [before, after] = [adapterStateOf(graph)!, adapterStateOf(again)!];
    const sorted = ({ adapters }: typeof before) => adapters.toSorted((a, b) => (a.path < b.path ? -1 : 1));
    expect(sorted(after)).toEqual(sorted(before));
    const trainable = (g: Graph) => [...g.parameters].filter(([, p]) => p.trainable).map(([key]) => key);
    const own = new Set(trainable(graph));
    // A head that was frozen is in the file because PEFT wants it there; PEFT trains it from then on.
    expect(trainable(again).filter((key) => !own.has(key) && !key.startsWith('classifier.'))).toEqual([]);
    expect(trainable(again)).toEqual(expect.arrayContaining([...own]));
  });
});

describe.each(Object.keys(goldens).filter((name) => name.startsWith('peft-')))('the adapter %s of PEFT', (name) => {
  const golden = goldens[name]!;

  it('computes what PEFT computes, before and after folding', async () => {
    const { adapt, fold } = await setUp({ from: name }, FIXTURES);
    const model = await adapt(await bert());
    expectClose(await logitsOf(model.graph, 'float64'), golden.logits.flat(), toleranceOf(model.graph));
    const folded = await fold(model);
    expect(adapterStateOf(folded.graph)).toBeUndefined();
    expect(folded.graph.nodes.length).toBe((await bert()).graph.nodes.length);
    expectClose(await logitsOf(folded.graph), golden.logits.flat(), FLOAT32);
  });

  it('is written as it was read', async () => {
    const { adapt, emit } = await setUp({ from: name }, FIXTURES);
    const files = await emit(await adapt(await bert()));
    const { tensors } = await openAdapter(join(FIXTURES, name));
    const written = JSON.parse(files.get('adapter/adapter_config.json') as string) as Record<string, unknown>;
    const read = JSON.parse(await readFile(join(FIXTURES, name, 'adapter_config.json'), 'utf8')) as typeof written;
    for (const key of ['peft_type', 'task_type', 'use_dora', 'use_rslora', 'bias', 'fan_in_fan_out']) {
      expect(written[key], key).toEqual(read[key]);
    }
    const bytes = Buffer.from(files.get('adapter/adapter_model.safetensors') as Uint8Array);
    const header = JSON.parse(bytes.subarray(8, 8 + Number(bytes.readBigUInt64LE(0))).toString()) as Record<
      string,
      unknown
    >;
    // Embeddings that PEFT saves together with their adapters are those of the base model.
    const names = [...tensors.keys()].filter((key) => !key.includes('.base_layer.')).sort();
    expect(
      Object.keys(header)
        .filter((key) => key !== '__metadata__')
        .sort(),
    ).toEqual(names);
  });
});

async function gradientsOf(graph: Graph): Promise<ReadonlyMap<string, TensorData>> {
  const g = new GraphBuilder();
  const { logits } = inline(g, bind(graph, { batch: 3, sequence: 9 }));
  const names = [...graph.parameters].filter(([, { trainable }]) => trainable).map(([name]) => name);
  const weights = names.map((name) => g.findParameter(name)!.value);
  const found = gradients(g, g.ops.mean(g.ops.mul(logits!, logits!)), weights);
  names.forEach((name, i) => g.output(name, found.get(weights[i]!)!));
  return new Map(Object.entries(await interpret(g.build(), feeds(), { precision: 'float64' })));
}

/** Names of what PEFT trains, without the head that it always trains. */
function trainableOfPeft(golden: Golden, graph: Graph): string[] {
  const { modulesToSave } = adapterStateOf(graph)!;
  return Object.keys(golden.gradients!)
    .filter((name) => modulesToSave.includes('classifier') || !name.startsWith('classifier.'))
    .sort();
}
