import type { Checked } from '../check.js';
import { type Finding, isBreak } from '../compare/finding.js';
import type { Fails } from '../options.js';
import { type Suggestion, suggest } from './suggest.js';
import type { Suppressed } from './suppressions.js';

/** All that a report shows. */
export interface Report {
  readonly checked: Checked;
  readonly result: Suppressed;
  /** Undefined for folders. */
  readonly suggestion: Suggestion | undefined;
  readonly fails: Fails;
}

export function reportOf(checked: Checked, result: Suppressed, fails: Fails): Report {
  return { checked, result, fails, suggestion: checked.comparison && suggest(checked.comparison) };
}

export function failures({ result, fails }: Report): Finding[] {
  return result.findings.filter(fails);
}

/** What was found, whatever makes the check fail; then which of it does, where that is not what breaks. */
export function summary(report: Report): string {
  const { findings, suppressed } = report.result;
  const breaks = findings.filter(isBreak).length;
  const failing = failures(report).length;
  const unknown = findings.filter((finding) => finding.class === 'not-compared').length;
  const others = findings.length - breaks - unknown;
  const parts = [breaks === 0 ? 'compatible' : counted(breaks, 'break')];
  if (failing !== breaks || findings.some((finding) => isBreak(finding) !== report.fails(finding)))
    parts.push(failing === 0 ? 'of which none fails' : `${failing} found that --fail-on fails`);
  if (others > 0) parts.push(`${others} other`);
  if (unknown > 0) parts.push(`${unknown} not compared`);
  if (suppressed.length > 0) parts.push(`${suppressed.length} suppressed`);
  return `${parts.join(', ')}${coverageText(report.checked)}`;
}

function coverageText({ coverage, comparison }: Checked): string {
  if (coverage.headers !== 1 || comparison === undefined) {
    return `; ${counted(coverage.headers, 'header')} compared, ${coverage.withCommands} with ioctl commands`;
  }
  if (coverage.commands > 0) return '';
  const { records, constants } = coverage;
  return `; no ioctl commands on either side: ${counted(records, 'record')} and ${counted(constants, 'constant')} were compared`;
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}
