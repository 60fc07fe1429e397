import { type Backend, byteLengthOf, canonicalize, type PlannedProgram, type TensorSpec } from '@anneal/graph';

import { AnnealError } from '../errors/error.ts';
import { forwardFromState } from './forward.ts';
import { dimsOf } from './gradient-graph.ts';
import {
  chooseMemory,
  describeMemory,
  type MemoryChoice,
  memoryChoices,
  type MemoryParts,
  type MemoryReport,
  parseBytes,
  totalOf,
} from './memory.ts';
import { type BatchShape, compileOptions } from './programs.ts';
import {
  stateName,
  stateShapes,
  type StepProgram,
  type StepSource,
  traceAccumulate,
  traceApply,
  traceGradientStep,
  traceNorm,
  traceStep,
  updatesApart,
} from './step-graph.ts';

/** What the steps of a run look like when programs take at most so many rows. */
export interface StepShapes {
  readonly shapes: readonly BatchShape[];
  /** Steps may have more than one run. */
  readonly accumulate: boolean;
}

export interface MemoryRequest {
  /** Without recomputation. */
  readonly source: StepSource;
  readonly gradientCheckpointing: boolean;
  readonly maxMemory: number | string | undefined;
  readonly stepShapes: (microBatchSize: number | undefined) => StepShapes;
  /** Shape of the largest batch that is evaluated; `undefined` when none is. */
  readonly evaluation: BatchShape | undefined;
  readonly keepBest: boolean;
}

export interface PlannedMemory {
  /** Most rows of a batch. */
  readonly rows: number;
  /** How steps are to be run. */
  readonly choice: MemoryChoice;
  readonly predicted: MemoryReport['predicted'];
}

/**
 * Predicts what training takes, and finds the fastest way to run steps within `maxMemory`.
 *
 * @throws AnnealError `ANNEAL_E_MEMORY` when nothing fits, `ANNEAL_E_BACKEND` when there is a limit and the backend
 * cannot predict
 */
export async function planTraining(request: MemoryRequest, backend: Backend): Promise<PlannedMemory> {
  const { source, maxMemory, stepShapes, gradientCheckpointing } = request;
  const { shapes } = stepShapes(undefined);
  const rows = Math.max(...shapes.map(({ size }) => size));
  const lengths = shapes.map(({ length }) => length).filter((length) => length !== undefined);
  const length = lengths.length === 0 ? undefined : Math.max(...lengths);
  const whole: MemoryChoice = { microBatchSize: rows, gradientCheckpointing };
  const maxBytes = maxMemory === undefined ? undefined : parseBytes(maxMemory);
  if (backend.planMemory === undefined) {
    if (maxBytes === undefined) return { rows, choice: whole, predicted: undefined };
    throw new AnnealError(
      'ANNEAL_E_BACKEND',
      `the backend \`${backend.info.name}\` cannot tell what training takes, which \`train.maxMemory\` needs`,
      { path: ['stages', source.stage, 'train', 'maxMemory'], fix: 'use the backend `onnx`, or remove the limit' },
    );
  }
  const first = partsOf(request, backend, whole);
  // Only now: tracing is a good part of what JavaScript needs, and training traces again.
  const { rssBytes: process = 0 } = await backend.memory();
  const predict = (choice: MemoryChoice): MemoryParts => ({ process, ...partsOf(request, backend, choice) });
  const { choice, parts } =
    maxBytes === undefined
      ? { choice: whole, parts: { process, ...first } }
      : chooseMemory(memoryChoices(rows, length, gradientCheckpointing), predict, {
          maxBytes,
          stage: source.stage,
          length,
        });
  return { rows, choice, predicted: { ...parts, total: totalOf(parts) } };
}

/** What was planned, in words. */
export function memoryLine({ rows, choice, predicted }: PlannedMemory): string | undefined {
  if (predicted === undefined) return undefined;
  const { microBatchSize, gradientCheckpointing } = choice;
  const split = microBatchSize < rows ? `, ${microBatchSize} of ${rows} rows at a time` : '';
  return `predicted memory ${describeMemory(predicted)}${split}${gradientCheckpointing ? ', blocks computed again' : ''}`;
}

function partsOf(
  { source: plain, stepShapes, evaluation, keepBest }: MemoryRequest,
  backend: Backend,
  { microBatchSize, gradientCheckpointing }: MemoryChoice,
): Omit<MemoryParts, 'process'> {
  const source: StepSource = { ...plain, recompute: gradientCheckpointing };
  const { shapes, accumulate } = stepShapes(microBatchSize);
  const apart = updatesApart(source, accumulate);
  const trace = accumulate ? traceAccumulate : apart ? traceGradientStep : traceStep;
  const programs: PlannedProgram[] = shapes.map(({ size, length }) => planned(trace(source, size, length)));
  if (accumulate) programs.push(planned(traceNorm(source)));
  if (apart) programs.push(planned(traceApply(source)));
  if (evaluation) programs.push(forwardProgram(source, evaluation));
  const state = stateSpecs(source, apart);
  const plan = (backend.planMemory as NonNullable<Backend['planMemory']>)(programs, state);
  const saved = Object.entries(state).filter(([name]) => !stateName.isSum(name));
  const best = keepBest ? [...source.trainable].map((name) => state[stateName.parameter(name)]) : [];
  return { ...plan, copies: sizeOf([...saved.map(([, spec]) => spec), ...best]) };
}

function planned(program: StepProgram): PlannedProgram {
  return { graph: program.graph, ...compileOptions(program) };
}

function forwardProgram({ model, trainable }: StepSource, { size, length }: BatchShape): PlannedProgram {
  const entries = new Map([...trainable].map((name) => [name, stateName.parameter(name)]));
  const dims = dimsOf(model.graph, size, length);
  // Imported models compute shapes, which are known once sizes are.
  const { graph } = canonicalize(forwardFromState(model.graph, entries), { dims, integers: 'keep' });
  return { graph, purpose: 'inference' };
}

function stateSpecs(source: StepSource, apart: boolean): Record<string, TensorSpec> {
  const specs: Record<string, TensorSpec> = {};
  for (const name of source.trainable) {
    const { data } = source.model.graph.parameters.get(name) as NonNullable<
      ReturnType<StepSource['model']['graph']['parameters']['get']>
    >;
    const spec: TensorSpec = { dtype: data.dtype, shape: data.shape };
    specs[stateName.parameter(name)] = spec;
    if (source.emaDecay !== undefined) specs[stateName.average(name)] = spec;
  }
  for (const [name, shape] of stateShapes(source, apart)) specs[name] = { dtype: 'float32', shape };
  return specs;
}

function sizeOf(specs: readonly (TensorSpec | undefined)[]): number {
  return specs.reduce((sum, spec) => sum + (spec ? byteLengthOf(spec.dtype, spec.shape) : 0), 0);
}
