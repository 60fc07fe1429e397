import { createPipeline, formatError, isAnnealError, type Report, type UserConfig } from '@anneal/core';

/** Builds in a folder until somebody stops it; tells how far it is. */
export async function build(
  config: UserConfig,
  root: string,
  { signal, say }: { signal: AbortSignal; say: (line: string) => void },
): Promise<Report | undefined> {
  try {
    await using pipeline = await createPipeline(config, { root });
    for (const { stage, phase, cached, reason } of await pipeline.plan()) {
      if (!cached) say(`${stage} ${phase} will run: ${reason}`);
    }
    const run = pipeline.run({ signal });
    for await (const event of run.events()) {
      if (event.type === 'phase-end') say(`${event.stage} ${event.phase}: ${event.cached ? 'cached' : event.seconds}`);
      if (event.type === 'progress') say(`${event.label}: ${event.done} of ${event.total ?? 'many'}`);
    }
    const { report, accepted } = await run;
    return accepted ? report : undefined;
  } catch (error) {
    if (!isAnnealError(error)) throw error;
    if (error.code !== 'ANNEAL_E_ABORTED') say(formatError(error));
    return undefined;
  }
}
