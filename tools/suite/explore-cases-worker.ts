import { allCases } from '../../tests/selftests/index.js';
import { type CaseReport, type CaseTask, caseReport } from './explore-cases.js';

/** Called in the workers of `dmirror selftest --explore`. */
export function work(task: CaseTask): Promise<CaseReport> {
  return caseReport(allCases({ deviceThp: true }), task);
}
