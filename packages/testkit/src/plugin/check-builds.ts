import type { Plugin, PluginFactory, UserConfig } from '@anneal/core';
import { referenceBackend } from '@anneal/graph';

import { type PipelineResult, runPipeline } from '../run-pipeline.ts';
import { tinyTextClassification } from '../tiny/classification.ts';
import { countingBackend, leftOpen } from './count-open.ts';
import { outcomeDifference, outcomeOf } from './outcome.ts';
import { runTogether } from './together.ts';
import type { OpenBackend, PluginTest, Surroundings, ValidCase } from './types.ts';
import { watched } from './watch.ts';

/** The oracle that every case runs on. */
export const REFERENCE = 'reference';

const reference: OpenBackend = () => Promise.resolve(referenceBackend());

/** The first build of a case on a backend, and what it never disposed of. */
interface First {
  readonly result: PipelineResult;
  readonly left: readonly string[];
}

/** The plugin of a case; options that a factory needs and a case leaves out are what the case is about. */
export function pluginOf<In>(factory: PluginFactory<In>, options: unknown): Plugin {
  return (factory as unknown as (options?: unknown) => Plugin)(options);
}

/** The config of a build with the plugin before the others. */
export function configOf(plugin: Plugin, { plugins, config }: Surroundings, backend?: OpenBackend): UserConfig {
  return { ...config, backend: backend ?? reference, plugins: [plugin, ...(plugins ?? tinyTextClassification())] };
}

const list = (items: readonly string[]): string => [...new Set(items)].join('; ');

/** The tests of a build that must succeed. */
export function buildTests<In>(
  factory: PluginFactory<In>,
  test: ValidCase<In>,
  backends: Readonly<Record<string, OpenBackend>>,
): readonly PluginTest[] {
  const { name, options, files, check } = test;
  const plugin = (): Plugin => pluginOf(factory, options);
  const build = (of: Plugin, backend?: OpenBackend): Promise<PipelineResult> =>
    runPipeline(configOf(of, test, backend), { files });
  // What the others are compared with is built once, whichever of the tests runs first.
  const firsts = new Map<string, Promise<First>>();
  const first = (label: string, open: OpenBackend): Promise<First> => {
    const found = firsts.get(label) ?? counted(open);
    firsts.set(label, found);
    return found;
  };
  const counted = async (open: OpenBackend): Promise<First> => {
    const left: string[] = [];
    return { result: await build(plugin(), countingBackend(open, left)), left };
  };
  const onBackend = ([label, open]: [string, OpenBackend]): readonly PluginTest[] => [
    {
      name: `${name} (${label})`,
      run: async () => {
        const { result, left } = await first(label, open);
        await check?.(result, label);
        if (left.length > 0) throw new Error(`never disposed of: ${list(left)}`);
      },
    },
    {
      name: `${name} (${label}): the same bytes again`,
      run: async () => {
        const { result } = await first(label, open);
        const difference = outcomeDifference(outcomeOf(result), outcomeOf(await build(plugin(), open)));
        if (difference !== undefined) throw new Error(`two builds of the same config differ: ${difference}`);
      },
    },
  ];
  return [
    ...Object.entries({ [REFERENCE]: reference, ...backends }).flatMap(onBackend),
    {
      name: `${name}: leaves what it is given as it is, and nothing open`,
      run: async () => {
        const changes: string[] = [];
        const left = await leftOpen(async () => {
          await build(watched(plugin(), changes));
        });
        if (changes.length > 0) throw new Error(`changed in place: ${list(changes)}; return a copy with the change`);
        if (left.length > 0) throw new Error(`left open after the build: ${list(left)}`);
      },
    },
    {
      name: `${name}: two runs share nothing`,
      run: async () => {
        const alone = outcomeOf((await first(REFERENCE, reference)).result);
        const runs = await runTogether(configOf(plugin(), test), files);
        for (const run of runs) {
          const difference = outcomeDifference(alone, outcomeOf(run));
          if (difference === undefined) continue;
          throw new Error(
            `differs when another run of the pipeline goes on at the same time: ${difference}; keep in \`api.state\` what belongs to a run`,
          );
        }
      },
    },
  ];
}
