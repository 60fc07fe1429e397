import { canonicalize, type Graph, interpret, memorySource, readOnnx, type TensorData, writeOnnx } from '@anneal/graph';
import { loadOnnx } from '@anneal/graph/node';
import { differenceOf, type Tolerance } from '@anneal/testkit';
import { type CaseData, type ConformanceCase, readData } from './suite.ts';
import { runModel } from './runtime.ts';

/** `ok`, or why not; `skipped` where the data are no tensors of numbers. */
export interface Outcome {
  readonly status: 'ok' | 'differs' | 'fails' | 'skipped';
  readonly reason?: string | undefined;
}

export interface CaseResult {
  readonly group: string;
  readonly name: string;
  /** The file as it is, on ONNX Runtime. */
  readonly original: Outcome;
  /** Read, canonicalised and written by Anneal, on ONNX Runtime. */
  readonly canonical: Outcome;
  /** The canonical graph on the reference interpreter; absent when an operator has no kernel. */
  readonly reference?: Outcome | undefined;
}

/** As ONNX's own test runner compares. */
const TOLERANCE: Tolerance = { absolute: 1e-7, relative: 1e-3 };

/** Runs one model every way. */
export async function runCase(test: ConformanceCase): Promise<CaseResult> {
  const { group, name } = test;
  const data = attempt(() => test.sets.map(readData));
  if (data instanceof Error) {
    const outcome: Outcome = { status: 'skipped', reason: messageOf(data) };
    return { group, name, original: outcome, canonical: outcome };
  }
  const original = await outcomeOf(data, ({ inputs }) => runModel(test.model, inputs));
  const graph = await canonicalGraph(test.model).catch((error: unknown) => toError(error));
  if (graph instanceof Error) {
    return { group, name, original, canonical: { status: 'fails', reason: messageOf(graph) } };
  }
  const canonical = await outcomeOf(data, async ({ inputs }) => {
    const { model } = await writeOnnx(graph);
    await readOnnx(memorySource(model));
    return runModel(model, inputs);
  });
  const reference = await outcomeOf(data, ({ inputs }) => {
    const names = [...graph.inputs.keys()];
    return interpret(graph, Object.fromEntries(inputs.map((input, i) => [names[i] as string, input])));
  });
  const unknown = reference.status === 'fails' && /no kernel/.test(reference.reason ?? '');
  return { group, name, original, canonical, ...(!unknown && { reference }) };
}

async function canonicalGraph(path: string): Promise<Graph> {
  return canonicalize(await loadOnnx(path)).graph;
}

async function outcomeOf(
  sets: readonly CaseData[],
  run: (data: CaseData) => Promise<Readonly<Record<string, TensorData>>>,
): Promise<Outcome> {
  for (const set of sets) {
    try {
      const results = Object.values(await run(set));
      const differences = set.outputs.flatMap((expected, i) => {
        const actual = results[i];
        const difference = actual ? differenceOf(actual, expected, TOLERANCE) : 'it is not there';
        return difference === undefined ? [] : [`output ${i}: ${difference}`];
      });
      if (differences.length > 0) return { status: 'differs', reason: differences[0] };
    } catch (error) {
      return { status: 'fails', reason: messageOf(toError(error)) };
    }
  }
  return { status: 'ok' };
}

function attempt<T>(compute: () => T): T | Error {
  try {
    return compute();
  } catch (error) {
    return toError(error);
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The message on one line, without the places of files on this machine. */
function messageOf({ message }: Error): string {
  return message
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/\/[\w./-]*libonnx-testdata\/data\//g, '')
    .slice(0, 300);
}
