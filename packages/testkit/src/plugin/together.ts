import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { definePlugin, type PhaseContext, type Plugin, type UserConfig } from '@anneal/core';
import * as v from 'valibot';

import { openProject, type PipelineResult } from '../run-pipeline.ts';

/** Where runs wait for each other: nobody goes on from a place before all that still run have come to it. */
class Meeting {
  #parties: number;
  readonly #waiting = new Map<string, (() => void)[]>();

  constructor(parties: number) {
    this.#parties = parties;
  }

  meet(place: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.set(place, [...(this.#waiting.get(place) ?? []), resolve]);
      this.#open();
    });
  }

  /** One run is over, whichever way. */
  leave(): void {
    this.#parties--;
    this.#open();
  }

  #open(): void {
    for (const [place, waiting] of this.#waiting) {
      if (waiting.length < this.#parties) continue;
      this.#waiting.delete(place);
      for (const resolve of waiting) resolve();
    }
  }
}

/** A file that cache keys depend on: runs with other keys do not wait for each other's results. */
const KEY_FILE = 'together.txt';

/** Lets runs meet at the end of each phase. */
function meetingPlugin(meeting: Meeting): Plugin {
  return definePlugin({
    name: 'testkit-together',
    enforce: 'post',
    options: v.strictObject({}),
    setup(api) {
      api.dependsOn(KEY_FILE);
      const at = (hook: string, { stage }: PhaseContext): Promise<void> => meeting.meet(`${stage} ${hook}`);
      const { data, model, train, compress, evaluate } = api.hooks;
      data.afterDataset.tap((_, ctx) => at('data', ctx));
      model.afterModel.tap((_, ctx) => at('model', ctx));
      train.beforeTrain.tap((ctx) => at('before train', ctx));
      train.afterTrain.tap((_, __, ctx) => at('train', ctx));
      compress.beforeCompress.tap((_, ctx) => at('before compress', ctx));
      compress.afterCompress.tap((_, ctx) => at('compress', ctx));
      evaluate.resolveBaseline.tap((ctx) => at('evaluate', ctx).then(() => undefined));
    },
  })();
}

/** Two runs of one pipeline, in step with each other: all that one of them does in a phase, the other does as well. */
export async function runTogether(
  config: UserConfig,
  files: Readonly<Record<string, string | Uint8Array>> | undefined,
): Promise<readonly PipelineResult[]> {
  const meeting = new Meeting(2);
  const plugins = [...(config.plugins ?? []), meetingPlugin(meeting)];
  await using project = await openProject({ ...config, plugins }, { files: { ...files, [KEY_FILE]: '' } });
  const run = async (begun: () => void): Promise<PipelineResult> => {
    try {
      return await project.run({ force: true, onEvent: begun });
    } finally {
      meeting.leave();
      // A run that fails before anything else has begun, too.
      begun();
    }
  };
  const runs: Promise<PipelineResult>[] = [];
  for (const key of ['1', '22']) {
    await writeFile(join(project.root, KEY_FILE), key);
    // The keys of a run are known when it begins; the file may change then.
    await new Promise<void>((begun) => {
      const running = run(begun);
      // Told when both are over: without a listener it would end the process.
      running.catch(() => undefined);
      runs.push(running);
    });
  }
  const settled = await Promise.allSettled(runs);
  return settled.map((result) => {
    if (result.status === 'fulfilled') return result.value;
    throw result.reason;
  });
}
