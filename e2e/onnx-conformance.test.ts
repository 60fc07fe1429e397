import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const data = '/usr/share/libonnx-testdata/data';

interface Report {
  readonly models: number;
  readonly groups: readonly { readonly original: number; readonly kept: number; readonly interpreted: number }[];
  readonly lost: readonly { readonly name: string }[];
  readonly interpreted: readonly { readonly name: string }[];
}

const names = (entries: readonly { readonly name: string }[]): string[] => entries.map(({ name }) => name);

// The data are a package of Debian; elsewhere there is nothing to run.
describe.skipIf(!existsSync(data))("ONNX's test suite (skipped without Debian's libonnx-testdata)", () => {
  it('runs through Anneal wherever the runtime runs it', () => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/bench.mjs', 'conformance', '--json'], {
      cwd: root,
      encoding: 'utf8',
      maxBuffer: 1 << 26,
    });
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const report = JSON.parse(stdout) as Report;
    expect(report.models).toBeGreaterThanOrEqual(1072);
    expect(report.groups.reduce((sum, { original }) => sum + original, 0)).toBeGreaterThanOrEqual(952);
    expect(names(report.lost)).toEqual([]);
    expect(names(report.interpreted)).toEqual([]);
  });
});
