// Turns vitest's JSON report into the one line `N passed, N failed`. A step that failed without a failing test of its
// own (a file that does not load, the suite run) counts as one failure, so the line never hides what the status says.
import { readFileSync } from 'node:fs';

const [file, testStatus, suiteStatus] = process.argv.slice(2);
const report = JSON.parse(readFileSync(file, 'utf8'));
const brokenFiles = report.testResults.filter((r) => r.status === 'failed' && r.assertionResults.length === 0).length;
let failed = report.numFailedTests + brokenFiles;
if (failed === 0 && testStatus !== '0') failed++;
if (suiteStatus !== '0') failed++;
if (report.numPassedTests === 0 && failed === 0) failed++;
console.log(`${report.numPassedTests} passed, ${failed} failed`);
