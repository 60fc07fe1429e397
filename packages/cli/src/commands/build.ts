import { resolve } from 'node:path';

import type { RunEvent } from '@anneal/core';

import { type Context, type Command, loadConfigFor, widthFor } from '../context.ts';
import { type Io, isLive, type StopSignal } from '../io.ts';
import { EXIT } from '../exit.ts';
import { shortPath, writeText } from '../files.ts';
import { jsonReporter } from '../progress/json.ts';
import { liveReporter } from '../progress/live.ts';
import { plainReporter } from '../progress/plain.ts';
import type { Reporter } from '../progress/types.ts';
import { resultText, summaryOf } from '../ui/result.ts';
import { timingsText } from '../ui/timings.ts';

/** How a run is shown: JSON lines, a live region, or plain lines. */
export function reporterFor({ io, options, errorStyle: style }: Context): Reporter {
  if (options.flag('json')) return jsonReporter(io.stdout, io.stderr);
  const lines = { style, debug: options.flag('debug'), quiet: options.flag('quiet') };
  return isLive(io.stderr, io.env) && !lines.quiet ? liveReporter(io.stderr, lines) : plainReporter(io.stderr, lines);
}

const SIGNAL_CODES: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/** The first request to stop aborts, the second ends the process. */
export function stopOnSignal(io: Io, reporter: Reporter): { readonly signal: AbortSignal; readonly end: () => void } {
  const controller = new AbortController();
  const end = io.onStop((signal) => {
    if (controller.signal.aborted) {
      reporter.close();
      io.exit(SIGNAL_CODES[signal]);
      return;
    }
    reporter.note('stopping at the next safe point; once more to quit at once');
    controller.abort();
  });
  return { signal: controller.signal, end };
}

/** `anneal build [stage…]` */
export const build: Command = async (context) => {
  const { io, args, options, services } = context;
  const started = performance.now();
  const config = await loadConfigFor(context);
  const reporter = reporterFor(context);
  const stop = stopOnSignal(io, reporter);
  const profile = options.text('profile');
  const trace = profile === undefined ? undefined : new (await import('@anneal/core')).Trace();
  const onEvent = (event: RunEvent): void => {
    trace?.event(event);
    reporter.event(event);
  };
  try {
    const strict = options.flag('strict');
    const pipeline = await services.createPipeline(config, { onEvent, onCall: trace?.call, strict });
    try {
      const result = await pipeline.run({
        signal: stop.signal,
        onEvent,
        stages: args.length === 0 ? undefined : args,
        force: options.flag('force'),
      });
      reporter.close();
      const timings = options.flag('timings') ? pipeline.timings() : undefined;
      if (options.flag('json')) context.json({ ...summaryOf(result), timings });
      else if (!options.flag('quiet') || !result.accepted) {
        const seconds = (performance.now() - started) / 1000;
        const shown = { ...result, outDir: result.outDir && shortPath(io.cwd, result.outDir) };
        context.print(resultText(shown, { style: context.style, width: widthFor(context), seconds }));
      }
      if (timings !== undefined) context.print(timingsText(timings, context.style));
      return result.accepted ? EXIT.ok : EXIT.gate;
    } finally {
      await pipeline.close();
      // What took long is of interest in a build that failed, too.
      if (profile !== undefined) writeText(resolve(io.cwd, profile), JSON.stringify(trace));
    }
  } finally {
    reporter.close();
    stop.end();
  }
};
