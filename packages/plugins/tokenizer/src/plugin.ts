import {
  definePlugin,
  type AuditSection,
  type DataContext,
  type EmitContext,
  type PluginApi,
  type PluginFactory,
  type Row,
} from '@anneal/core';

import { Tokenizer, type TokenRole } from './bpe/tokenizer.ts';
import { BpeTrainer } from './bpe/train.ts';
import { defineTokenizer, specialTokensOf } from './define.ts';
import { readTokenizer } from './format/read.ts';
import { toTokenizerConfig, toTokenizerJson } from './format/write.ts';
import type { TokenizerFiles } from './load.ts';
import { measureTokenizer } from './measure.ts';
import { encodeRow, textsOf } from './rows.ts';
import { tokenizerSchema, type ResolvedOptions, type TokenizerOptions } from './options.ts';
import { problem } from './problems.ts';

/** Artifacts with the tokenizer in Hugging Face's formats; the emitted files have the same names. */
const TOKENIZER_FILE = 'tokenizer.json';
const CONFIG_FILE = 'tokenizer_config.json';
/** Name of the artifact with the {@link TokenizerSummary}, for plugins that build a model. */
export const TOKENIZER_SUMMARY: string = 'tokenizer/summary.json';

/** What a model must know about its tokenizer. */
export type TokenizerSummary = {
  /** Number of ids: rows of the embedding. */
  readonly vocabSize: number;
  /** Ids of the special tokens by role: `pad`, `cls` … */
  readonly roles: { readonly [role: string]: number };
};

/** Texts counted between two looks at the abort signal. */
const TEXTS_AT_ONCE = 256;
/** Rows that the audit measures. */
const MEASURED_ROWS = 1000;

/**
 * Trains a byte-level BPE vocabulary on the training split, or takes one from a file; turns rows into `input_ids` and
 * `attention_mask`; emits `tokenizer.json` and `tokenizer_config.json`.
 */
export const tokenizer: PluginFactory<TokenizerOptions> = definePlugin<TokenizerOptions, ResolvedOptions>({
  name: 'tokenizer',
  version: '0.1.0',
  options: tokenizerSchema,
  provides: ['tokenizer'],
  async setup(api, options) {
    const load = options.from === undefined ? undefined : await existing(api, options.from);
    const tokenizerOf = api.state(
      ({ artifacts }) => new Tokenizer(readTokenizer(artifacts.text(TOKENIZER_FILE), artifacts.text(CONFIG_FILE))),
    );

    api.hooks.data.afterDataset.tap(async ({ splits }, ctx) => {
      const { artifacts } = ctx.run;
      // A stage that starts from another keeps its tokens: the model knows no others.
      if (artifacts.has(TOKENIZER_FILE)) return;
      const files = await (load === undefined ? train(splits['train'] ?? [], options, ctx) : load());
      const ready = new Tokenizer(readTokenizer(files.tokenizer, files.config));
      artifacts.set(TOKENIZER_FILE, files.tokenizer);
      artifacts.set(CONFIG_FILE, files.config ?? '{}');
      artifacts.setJson(TOKENIZER_SUMMARY, summaryOf(ready));
    });

    api.hooks.data.auditDataset.tap(({ splits }, report, { run }) => {
      const name = ['validation', 'test', 'train'].find((split) => (splits[split]?.length ?? 0) > 0);
      if (name === undefined) return;
      const texts = (splits[name] ?? []).slice(0, MEASURED_ROWS).flatMap((row) => textsOf(row, options));
      report('tokenizer', sectionOf(tokenizerOf(run), texts, name));
    });

    api.hooks.data.transformSample.tap((sample, { run, maxLength }) =>
      encodeRow(sample, tokenizerOf(run), options, maxLength),
    );

    api.hooks.emit.emit.tap(async (ctx) => {
      const { artifacts } = ctx.run;
      const limit = longestInput(ctx, [options.maxLength, tokenizerOf(ctx.run).definition.maxLength]);
      const file = JSON.parse(artifacts.text(TOKENIZER_FILE)) as object;
      const config = JSON.parse(artifacts.text(CONFIG_FILE)) as object;
      const truncation = { direction: 'Right', max_length: limit, strategy: 'LongestFirst', stride: 0 };
      await ctx.write(TOKENIZER_FILE, JSON.stringify(limit === undefined ? file : { ...file, truncation }));
      const limited = limit === undefined ? config : { ...config, model_max_length: limit };
      await ctx.write(CONFIG_FILE, `${JSON.stringify(limited, undefined, 2)}\n`);
    });
  },
});

/** Reads the tokenizer that the options name. */
async function existing(api: PluginApi, from: string): Promise<() => Promise<TokenizerFiles>> {
  // Only here: training a vocabulary needs nothing of it.
  const { loadTokenizerFiles, tokenizerPath } = await import('./load.ts');
  const path = tokenizerPath(api.root, from);
  api.dependsOn(path);
  return () => loadTokenizerFiles(path);
}

async function train(rows: readonly Row[], options: ResolvedOptions, ctx: DataContext): Promise<TokenizerFiles> {
  const trainer = new BpeTrainer({ ...options, specialTokens: specialTokensOf(options) });
  const bar = ctx.progress('training the vocabulary', rows.length);
  try {
    for (const [index, row] of rows.entries()) {
      for (const text of textsOf(row, options)) trainer.add(text);
      if (index % TEXTS_AT_ONCE > 0) continue;
      bar.update(index);
      await new Promise((resume) => setTimeout(resume));
      ctx.signal.throwIfAborted();
    }
    if (trainer.words === 0) {
      throw problem(
        'TOKENIZER_E_EMPTY',
        `expected text in the training split, received ${rows.length} rows without any`,
      );
    }
    const vocabulary = trainer.train();
    const found = vocabulary.tokens.length;
    const said = `${found} tokens from ${trainer.words} words of ${rows.length} rows`;
    if (found < options.vocabSize) ctx.logger.warn(`The text gives only ${said}, ${options.vocabSize} were asked for`);
    else ctx.logger.info(`trained ${said}`);
    const definition = defineTokenizer(vocabulary, options);
    const modelInputNames = ['input_ids', ...(options.typeIds ? ['token_type_ids'] : []), 'attention_mask'];
    return {
      tokenizer: JSON.stringify(toTokenizerJson(definition)),
      config: JSON.stringify(toTokenizerConfig(definition, { modelInputNames })),
    };
  } finally {
    bar.done();
  }
}

function summaryOf(ready: Tokenizer): TokenizerSummary {
  const roles = Object.keys(ready.definition.roles) as TokenRole[];
  return {
    vocabSize: ready.vocabSize,
    roles: Object.fromEntries(roles.map((role) => [role, ready.roleId(role)!])),
  };
}

function sectionOf(ready: Tokenizer, texts: readonly string[], split: string): AuditSection {
  const { fertility, bytesPerToken, lengthP50, lengthP95 } = measureTokenizer(ready, texts);
  return {
    title: 'Tokenizer',
    method:
      `Measured on ${texts.length} texts of the ${split} split. Fertility is tokens per word between white space; ` +
      'lengths count special tokens and are taken before anything is cut. Low fertility saves time; it does not show ' +
      'that the tokens suit the task.',
    metrics: Object.fromEntries(
      Object.entries({ vocabSize: ready.vocabSize, fertility, bytesPerToken, lengthP50, lengthP95 }).map(
        ([name, value]) => [name, { value }],
      ),
    ),
  };
}

/** What the model can take, the training took and the options allow: readers of the files must cut where training did. */
function longestInput(ctx: EmitContext, limits: readonly (number | undefined)[]): number | undefined {
  const { train } = ctx.run.config.stages.find(({ name }) => name === ctx.stage) ?? {};
  const all = [...limits, ctx.model.config['max_position_embeddings'], train ? train.maxLength : undefined];
  const longest = Math.min(...all.filter((limit) => typeof limit === 'number'));
  return longest === Infinity ? undefined : longest;
}
