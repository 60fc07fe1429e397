import { readFileSync } from 'node:fs';

/**
 * Counts from vitest's JSON report, so that whatever makes vitest fail is at least one failure: a file that cannot be
 * loaded and an unhandled error have no failed test in them, and a crash leaves no report. No test at all is zero.
 *
 * @param {string} file the report
 * @param {number} exitCode of vitest
 */
export function countTests(file, exitCode) {
  let report;
  try {
    report = JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return { passed: 0, failed: exitCode === 0 ? 0 : 1, skipped: 0 };
  }
  const broken = report.testResults.filter(
    (result) => result.status === 'failed' && !result.assertionResults.some((test) => test.status === 'failed'),
  );
  const failures = report.numFailedTests + broken.length;
  return {
    passed: report.numPassedTests,
    failed: failures === 0 && exitCode !== 0 && report.numTotalTests > 0 ? 1 : failures,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}
