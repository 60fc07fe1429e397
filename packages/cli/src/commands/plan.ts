import { type Command, loadConfigFor } from '../context.ts';
import { columns } from '../ui/text.ts';

/** `anneal plan [stage…]` */
export const plan: Command = async (context) => {
  const { args, options, services, style } = context;
  const pipeline = await services.createPipeline(await loadConfigFor(context), {});
  try {
    const entries = await pipeline.plan(args.length === 0 ? {} : { stages: args });
    if (options.flag('json')) {
      context.json(entries);
      return 0;
    }
    const rows = entries.map(({ stage, phase, cached, key, plugins }) => [
      stage,
      phase,
      cached ? style.green('cached') : style.yellow('run'),
      style.dim(key.slice(0, 12)),
      plugins.join(', '),
    ]);
    context.print(columns([['stage', 'phase', '', 'key', 'plugins'].map(style.dim), ...rows]));
    const runs = entries.filter(({ cached }) => !cached).length;
    context.print(runs === 0 ? '\neverything is cached' : `\n${runs} of ${entries.length} phases would run`);
    return 0;
  } finally {
    await pipeline.close();
  }
};
