// `pnpm bench conformance [--only <text>] [--json]`: ONNX's test suite through Anneal.
import { runCase, type CaseResult } from './lib/conformance/outcome.ts';
import { DATA_FOLDER, findCases } from './lib/conformance/suite.ts';

const at = process.argv.indexOf('--only');
const only = at < 0 ? '' : (process.argv[at + 1] ?? '');
const cases = findCases(DATA_FOLDER);
if (cases === undefined) {
  console.error(`The test data is not at ${DATA_FOLDER}: install Debian's package libonnx-testdata.`);
  process.exit(2);
}
const results: CaseResult[] = [];
for (const test of cases) if (`${test.group}/${test.name}`.includes(only)) results.push(await runCase(test));
const count = (select: (r: CaseResult) => boolean): number => results.filter(select).length;
console.log('total', results.length);
console.log('original ok', count((r) => r.original.status === 'ok'), 'differs', count((r) => r.original.status === 'differs'), 'fails', count((r) => r.original.status === 'fails'));
console.log('canonical ok', count((r) => r.canonical.status === 'ok'));
console.log('original ok, canonical not', count((r) => r.original.status === 'ok' && r.canonical.status !== 'ok'));
console.log('reference', count((r) => r.reference !== undefined), 'ok', count((r) => r.reference?.status === 'ok'));
for (const r of results) if (r.original.status === 'ok' && r.canonical.status !== 'ok') console.log('LOST', r.group, r.name, r.canonical.reason);
for (const r of results) if (r.reference && r.reference.status !== 'ok' && r.original.status === 'ok') console.log('REF', r.group, r.name, r.reference.reason);
for (const r of results) if (r.original.status !== 'ok') console.log('ORT', r.group, r.name, r.canonical.status, '|', r.original.reason);
