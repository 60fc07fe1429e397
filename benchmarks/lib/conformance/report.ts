import type { CaseResult, Outcome } from './outcome.ts';

/** What became of the suite, as data. */
export interface ConformanceReport {
  readonly runtime: string;
  readonly models: number;
  readonly groups: readonly GroupCounts[];
  /** Models that ONNX Runtime runs as they are, and not, or with other results, after Anneal. */
  readonly lost: readonly Entry[];
  /** Models whose canonical graph the reference interpreter knows and computes otherwise than the file expects. */
  readonly interpreted: readonly Entry[];
  /** Models that ONNX Runtime does not run as they are, by what it says. */
  readonly notRun: readonly { readonly reason: string; readonly models: readonly string[] }[];
}

export interface GroupCounts {
  readonly group: string;
  readonly models: number;
  /** ONNX Runtime gives the expected outputs for the file as it is. */
  readonly original: number;
  /** … of these, also after Anneal read, canonicalised and wrote it. */
  readonly kept: number;
  /** … only after that: newer operator sets have more kernels. */
  readonly gained: number;
  /** The interpreter knows all operators. */
  readonly known: number;
  /** … and gives the expected outputs. */
  readonly interpreted: number;
}

interface Entry {
  readonly name: string;
  readonly reason: string;
}

const ok = (outcome: Outcome | undefined): boolean => outcome?.status === 'ok';

export function reportOf(results: readonly CaseResult[], runtime: string): ConformanceReport {
  const groups = [...new Set(results.map(({ group }) => group))];
  const entries = (select: (r: CaseResult) => Outcome | undefined): Entry[] =>
    results.flatMap((result) => {
      const outcome = ok(result.original) ? select(result) : undefined;
      if (outcome === undefined || ok(outcome)) return [];
      return [{ name: `${result.group}/${result.name}`, reason: outcome.reason ?? outcome.status }];
    });
  const reasons = new Map<string, string[]>();
  for (const { group, name, original } of results) {
    if (ok(original)) continue;
    const reason = reasonOf(original);
    reasons.set(reason, [...(reasons.get(reason) ?? []), `${group}/${name}`]);
  }
  return {
    runtime,
    models: results.length,
    groups: groups.map((group) => countsOf(group, results)),
    lost: entries(({ canonical }) => canonical),
    interpreted: entries(({ reference }) => reference),
    notRun: [...reasons]
      .map(([reason, models]) => ({ reason, models }))
      .sort((a, b) => b.models.length - a.models.length || (a.reason < b.reason ? -1 : 1)),
  };
}

function countsOf(group: string, all: readonly CaseResult[]): GroupCounts {
  const results = all.filter((result) => result.group === group);
  const count = (select: (r: CaseResult) => boolean): number => results.filter(select).length;
  return {
    group,
    models: results.length,
    original: count(({ original }) => ok(original)),
    kept: count(({ original, canonical }) => ok(original) && ok(canonical)),
    gained: count(({ original, canonical }) => !ok(original) && ok(canonical)),
    known: count(({ original, reference }) => ok(original) && reference !== undefined),
    interpreted: count(({ original, reference }) => ok(original) && ok(reference)),
  };
}

/** Kinds of reasons, by what the message says; the first that fits. */
const KINDS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/string tensors are not supported/, 'Inputs or outputs are strings, which Anneal has no tensors for'],
  [/Unsupported data type: 16/, 'Inputs or outputs are bfloat16, which onnxruntime-node cannot take or give'],
  [
    /Could not find an implementation for (\w+)/,
    'No kernel for this operator in the version or with the element types of the file',
  ],
  [/not a registered function|preview\.training/, 'Training operators that the build does not have'],
  [/batchwise|layout/i, 'Recurrent layers with the batch first are not implemented'],
];

function reasonOf({ status, reason = '' }: Outcome): string {
  const kind = KINDS.find(([pattern]) => pattern.test(reason));
  if (kind) return kind[1];
  if (status === 'skipped')
    return 'Inputs or outputs are sequences or optional values, which onnxruntime-node cannot take or give';
  if (status === 'differs')
    return 'Outputs differ from the expected ones: random draws, and cases the runtime computes otherwise';
  return reason;
}

/** The report as a page of the documentation. */
export function markdownOf(report: ConformanceReport): string {
  const total = (select: (group: GroupCounts) => number): number =>
    report.groups.reduce((sum, group) => sum + select(group), 0);
  const row = (name: string, cells: readonly number[]): string => `| ${name} | ${cells.join(' | ')} |`;
  const columns: readonly ((group: GroupCounts) => number)[] = [
    (g) => g.models,
    (g) => g.original,
    (g) => g.kept,
    (g) => g.gained,
    (g) => g.known,
    (g) => g.interpreted,
  ];
  const entries = (list: readonly Entry[]): string =>
    list.length === 0 ? 'None.' : list.map(({ name, reason }) => `- \`${name}\`: ${withoutPath(reason)}`).join('\n');
  return `# Conformance

Generated by \`pnpm bench conformance --write\`; do not edit.

ONNX's test suite, ${report.models} models with inputs and expected outputs (Debian's package \`libonnx-testdata\`), through
Anneal: each file is read, canonicalised, written and run on ONNX Runtime ${report.runtime}. Outputs are compared as
ONNX's own runner does (relative 1e-3, absolute 1e-7, equal types and shapes). The same graph runs on the reference
interpreter where that knows all its operators.

| Suite | Models | Runtime, as they are | also through Anneal | only through Anneal | Interpreter knows | and agrees |
| --- | --: | --: | --: | --: | --: | --: |
${report.groups
  .map((group) =>
    row(
      group.group,
      columns.map((column) => column(group)),
    ),
  )
  .join('\n')}
${row(
  '**all**',
  columns.map((column) => total(column)),
)}

The columns of the interpreter count models that the runtime runs as they are. Models run only through Anneal because
newer operator sets, which it writes, have kernels that older ones lack.

## Run as they are, but not through Anneal

${entries(report.lost)}

## Interpreted otherwise

${entries(report.interpreted)}

## Not run as they are

| Reason | Models | For example |
| --- | --: | --- |
${report.notRun.map(({ reason, models }) => `| ${reason} | ${models.length} | \`${models[0]}\` |`).join('\n')}
`;
}

/** The file is named already. */
function withoutPath(reason: string): string {
  return reason.replace(/^[\w-]+\/[\w.-]+\/model\.onnx, /, '');
}
