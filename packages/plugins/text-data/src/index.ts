export { CLEAN_RULES, createCleaner, DEFAULT_CLEAN_RULES } from './clean.ts';
export type { Cleaned, Cleaner, CleanOptions, CleanRule } from './clean.ts';
export { createDeduplicator } from './dedup/deduplicate.ts';
export type { DedupCounts, DedupOptions, Deduplicator, DedupVerdict } from './dedup/deduplicate.ts';
export { createLshIndex, matchProbability, optimalBanding } from './dedup/lsh.ts';
export type { Banding, LshIndex } from './dedup/lsh.ts';
export { createMinHasher, estimatedSimilarity } from './dedup/minhash.ts';
export type { MinHasher } from './dedup/minhash.ts';
export { jaccard, shingles } from './dedup/shingles.ts';
export type { DropSample } from './drops.ts';
export { htmlToText } from './html.ts';
export { DEFAULT_MAIL_HEADERS, MAIL_PROBLEMS, parseMail } from './mail.ts';
export type { MailOptions, MailProblem, MailResult } from './mail.ts';
export { repairMojibake } from './mojibake.ts';
export type { TextDataOptions, TextSplitOptions } from './options.ts';
export { textData, textData as default } from './plugin.ts';
export { openSources, prepareTextData } from './prepare.ts';
export type { PrepareContext, PreparedTextData, TextDataReport, TextRow } from './prepare.ts';
export { TEXT_DATA_CODES } from './problems.ts';
export type { TextDataCode } from './problems.ts';
export { shorten } from './shorten.ts';
export type { KeptPart, ShortenOptions } from './shorten.ts';
export { openSource } from './sources/open.ts';
export { readRecords, RECORD_PROBLEMS } from './sources/records.ts';
export type { RecordOptions, RecordProblem, RecordResult, TextRecord } from './sources/records.ts';
export type {
  Columns,
  FilesSource,
  ModuleSource,
  OpenedSource,
  RawRow,
  RowsSource,
  SourceFormat,
  SourceSpec,
} from './sources/types.ts';
export { DEFAULT_RATIOS, splitRows } from './split.ts';
export type { SplitOptions, SplitRow } from './split.ts';
export { textStats } from './stats.ts';
export type { LengthSummary, StatsRow, TextStats } from './stats.ts';
