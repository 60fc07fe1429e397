import {
  definePlugin,
  type DataReport,
  type Dataset,
  type JsonObject,
  type PluginFactory,
  type Row,
} from '@anneal/core';
import type { TextDataOptions } from './options.ts';
import { openSources, prepareTextData, type PreparedTextData } from './prepare.ts';
import { textDataSchema } from './schema.ts';

/**
 * Reads, cleans, deduplicates and splits text. Answers `data.resolveDataset`. Rows have `id`, `text`, and, where the data
 * has them, `label` and `group`; `report.details.classes` has the class names in order.
 */
export const textData: PluginFactory<TextDataOptions> = definePlugin<TextDataOptions, TextDataOptions>({
  name: 'text-data',
  version: '0.1.0',
  options: textDataSchema,
  async setup(api, options) {
    for (const file of await dependencies(options, api.root)) api.dependsOn(file);

    api.hooks.data.resolveDataset.tap(async (ctx) => {
      const { root, seed, signal, logger } = ctx;
      const bar = ctx.progress('reading text');
      try {
        const prepared = await prepareTextData(options, { root, seed, signal, onProgress: (rows) => bar.update(rows) });
        const { rowsIn, rows, dropped, clusters } = prepared.report;
        const reasons = Object.entries(dropped).map(([reason, count]) => `${count} ${reason}`);
        logger.info(`kept ${rows} of ${rowsIn} rows${reasons.length === 0 ? '' : `, dropped ${reasons.join(', ')}`}`);
        if (clusters.labelConflicts > 0) {
          logger.warn(
            `${clusters.labelConflicts} duplicates were dropped whose label differs from the row they repeat`,
          );
        }
        return toDataset(prepared);
      } finally {
        bar.done();
      }
    });
  },
});

/** Files that the rows depend on. Sources that cannot be opened are reported when the data is read, not when it is planned. */
async function dependencies(options: TextDataOptions, root: string): Promise<string[]> {
  try {
    return (await openSources(options, root)).flatMap((source) => source.files);
  } catch {
    return [];
  }
}

function toDataset({ splits, classes, report }: PreparedTextData): Dataset {
  const { rowsIn, dropped, samples, rows, cleaned, clusters, stats } = report;
  const details = { rows, classes, cleaned, clusters, stats, splits: report.splits };
  const summary: DataReport = {
    rowsIn,
    dropped,
    samples: samples as unknown as readonly JsonObject[],
    splits: Object.fromEntries(Object.entries(splits).map(([name, own]) => [name, own.length])),
    details: details as unknown as JsonObject,
  };
  return { splits: splits as Readonly<Record<string, readonly Row[]>>, report: summary };
}
