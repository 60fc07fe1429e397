import { hasColor } from '../io.ts';
import { type Command, type Context, loadOptionsFor, widthFor } from '../context.ts';
import { type DevBuild, startBuild } from '../dev/process.ts';
import type { DevJob, DevMessage } from '../dev/protocol.ts';
import { type FileWatch, watchFiles } from '../dev/watch.ts';
import { EXIT } from '../exit.ts';
import { shortPath } from '../files.ts';
import { oneLine } from '../ui/text.ts';
import { reporterFor } from './build.ts';

/** Until a change counts as complete: editors and data tools write several files. */
const QUIET_MS = 120;

function jobOf(context: Context): DevJob {
  const { args, io, options } = context;
  return {
    load: loadOptionsFor(context),
    cwd: io.cwd,
    stages: args,
    color: hasColor(io.stdout, io.env),
    width: widthFor(context),
    debug: options.flag('debug'),
    strict: options.flag('strict'),
  };
}

/** Watches what builds depend on; changes that come together are one. */
class Changes {
  #watch: FileWatch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #paths = new Set<string>();
  readonly #onChange: (paths: readonly string[]) => void;

  constructor(onChange: (paths: readonly string[]) => void) {
    this.#onChange = onChange;
  }

  /** Watches these, and no others any more. */
  watch(paths: readonly string[], ignored: readonly string[]): void {
    const next = watchFiles(paths, { ignored, onChange: (path) => this.#note(path) });
    this.#watch?.close();
    this.#watch = next;
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#watch?.close();
  }

  #note(path: string): void {
    this.#paths.add(path);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      const paths = [...this.#paths];
      this.#paths = new Set();
      this.#onChange(paths);
    }, QUIET_MS);
  }
}

/** `anneal dev [stage…]` */
export const dev: Command = async (context) => {
  const { io, options } = context;
  const job = jobOf(context);
  const asJson = options.flag('json');
  let build: DevBuild | undefined;
  let wake: () => void = () => undefined;
  let [stopped, dirty] = [false, true];
  let failure: unknown;

  const changes = new Changes((paths) => {
    dirty = true;
    const [first = '', ...more] = paths;
    const rest = more.length === 0 ? '' : ` and ${more.length} more`;
    if (asJson) context.json({ type: 'change', paths });
    else if (!options.flag('quiet'))
      io.stderr.write(`${context.errorStyle.cyan('↻')} ${oneLine(shortPath(io.cwd, first))}${rest} changed\n`);
    wake();
  });
  const endStop = io.onStop(() => {
    if (stopped) build?.kill();
    stopped = true;
    wake();
  });

  try {
    while (!stopped) {
      dirty = false;
      const reporter = reporterFor(context);
      let count = 0;
      const hear = (message: DevMessage): void => {
        if (message.type === 'event') reporter.event(message.event);
        else if (message.type === 'inputs') {
          count = message.paths.length;
          try {
            changes.watch(message.paths, message.ignored);
          } catch (error) {
            [failure, stopped] = [error, true];
            wake();
          }
        } else if (!stopped && !dirty) {
          reporter.close();
          if (asJson) context.json(message.json);
          else if (message.type === 'error') io.stderr.write(`${message.text}\n`);
          else if (!options.flag('quiet')) context.print(message.text);
        }
      };
      const woken = new Promise<void>((resolve) => {
        wake = resolve;
      });
      build = startBuild(job, hear);
      await Promise.race([build.ended, woken]);
      // Something changed, or it is to end: what is being made is of no use any more.
      if (stopped || dirty) await build.stop();
      build = undefined;
      reporter.close();
      if (stopped || dirty) continue;
      if (!asJson && !options.flag('quiet')) {
        io.stderr.write(`${context.errorStyle.dim(`watching ${count} files and folders; Ctrl-C ends it`)}\n`);
      }
      await woken;
    }
  } finally {
    endStop();
    changes.close();
  }
  if (failure !== undefined) throw failure;
  return EXIT.ok;
};
