import type { AuditSection, EvaluateContext, LogEntry, Model, Row, Task } from '@anneal/core';
import { tensor } from '@anneal/graph';
import { setupPlugin } from '@anneal/testkit';

import { biasAudit, type BiasAuditOptions } from '../src/index.ts';

/** Made-up female and male names, so that no rule about words of the language plays a part. */
export const GROUPS: Readonly<Record<'female' | 'male', readonly string[]>> = {
  female: ['Arila', 'Belona', 'Carisa', 'Delora', 'Emilda', 'Fiora', 'Galena', 'Hestia'],
  male: ['Arbert', 'Baldor', 'Corwin', 'Dagbert', 'Edwald', 'Fendor', 'Gothar', 'Halmar'],
};

/** A classifier of texts: the logit of "spam". */
export type Model1D = (text: string) => number;

export interface AuditInput {
  readonly rows: readonly Row[];
  /** The model that is shipped. */
  readonly model: Model1D;
  /** The model before compression, when there is another one. */
  readonly reference?: Model1D | undefined;
  readonly options?: BiasAuditOptions | undefined;
  readonly task?: Partial<Task> | undefined;
  readonly seed?: number | undefined;
  readonly root?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Outputs in place of those of `model`. */
  readonly outputs?: ((text: string) => number[]) | undefined;
}

export interface AuditOutput {
  readonly section: AuditSection;
  readonly logs: readonly LogEntry[];
  /** Texts that each variant was asked for, in order. */
  readonly asked: Readonly<Record<'model' | 'reference', string[]>>;
  /** `done/total` of the progress bar. */
  readonly progress: string[];
  readonly dependencies: readonly string[];
}

/** Sets the plugin up, calls its tap with fake models and gives what it reports. */
export async function audit(input: AuditInput): Promise<AuditOutput> {
  const { rows, model, reference, seed = 3, root = '/' } = input;
  const plugin = biasAudit({ groups: GROUPS, bootstrapSamples: 100, ...input.options });
  const setup = await setupPlugin(plugin, { root, seed, signal: input.signal });
  const { phase, logs, dependencies } = setup;
  const textColumn = input.options?.textColumn ?? 'text';
  const asked = { model: [] as string[], reference: [] as string[] };
  const progress: string[] = [];
  const shipped = { config: {} } as unknown as Model;
  const ctx: EvaluateContext = {
    ...phase,
    dataset: {
      splits: { train: [], validation: [], test: rows },
      report: { rowsIn: 0, dropped: {}, samples: [], splits: {} },
    },
    task: { kind: 'classification', labels: ['ham', 'spam'], ...input.task } as Task,
    model: shipped,
    reference: reference === undefined ? shipped : ({ config: {} } as unknown as Model),
    split: rows,
    progress: (label, total) => ({
      update: (done) => progress.push(`${label} ${done}/${total}`),
      done: () => progress.push('done'),
    }),
    predict: (wanted, variant = 'model') => {
      const logit = variant === 'reference' && reference !== undefined ? reference : model;
      return Promise.resolve(
        wanted.map((row) => {
          const text = row[textColumn] as string;
          asked[variant].push(text);
          const logits = input.outputs?.(text) ?? [0, logit(text)];
          return { logits: tensor('float32', [logits.length], logits) };
        }),
      );
    },
  };
  const sections = new Map<string, AuditSection>();
  await setup.tap('evaluate', 'auditModel')(ctx, (name, section) => sections.set(name, section));
  const section = sections.get('bias');
  if (section === undefined || sections.size !== 1) throw new Error('expected the section `bias` alone');
  return { section, logs, asked, progress, dependencies };
}

/** Values by name. */
export function valuesOf({ metrics }: AuditSection): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, { value }]) => [name, value]));
}

/** Whether a text has a name of a group. */
export function hasName(text: string, group: 'female' | 'male'): boolean {
  return GROUPS[group].some((name) => text.includes(name));
}

/** Rows that each have names of one group, in turn; every third is spam. */
export function namedRows(count: number): Row[] {
  const names = [GROUPS.female, GROUPS.male];
  return Array.from({ length: count }, (_, i) => {
    const name = names[i % 2]![Math.floor(i / 2) % 8]!;
    return { id: `row${i}`, text: `Number ${i}: ${name} wrote, said ${name}.`, label: i % 3 === 0 ? 'spam' : 'ham' };
  });
}
