// Turns vitest's JSON report and the number of failed steps into the one line `N passed, N failed`.
import { readFileSync } from 'node:fs';

const [file, brokenSteps] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
// A file that does not load has no test that failed; no test at all is no pass.
const brokenFiles = report.testResults.filter((r) => r.status === 'failed' && r.assertionResults.length === 0).length;
const failedTests = report.numFailedTests + brokenFiles;
const failed = Math.max(failedTests, Number(brokenSteps), report.numPassedTests === 0 ? 1 : 0);
console.log(`${report.numPassedTests} passed, ${failed} failed`);
