// `pnpm bench conformance [--only <text>] [--json] [--write]`: ONNX's test suite through Anneal, on ONNX Runtime and the
// reference interpreter. `--write` renews docs/conformance.md.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type CaseResult, runCase } from './lib/conformance/outcome.ts';
import { markdownOf, reportOf } from './lib/conformance/report.ts';
import { DATA_FOLDER, findCases } from './lib/conformance/suite.ts';

const page = new URL('../docs/conformance.md', import.meta.url);
const at = process.argv.indexOf('--only');
const only = at < 0 ? '' : (process.argv[at + 1] ?? '');
const cases = findCases(DATA_FOLDER);

if (cases === undefined) {
  console.error(`The test data are not at ${DATA_FOLDER}: install Debian's package libonnx-testdata.`);
  process.exitCode = 2;
} else {
  const results: CaseResult[] = [];
  for (const test of cases) {
    if (`${test.group}/${test.name}`.includes(only)) results.push(await runCase(test));
  }
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as { version: string };
  const report = reportOf(results, version);
  if (process.argv.includes('--write')) writeFileSync(page, markdownOf(report));
  console.log(process.argv.includes('--json') ? JSON.stringify(report, undefined, 2) : markdownOf(report));
}
