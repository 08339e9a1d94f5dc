import type { Comparison } from './compare.js';
import { type ChangeClass, CLASSES, type Finding, type Side } from './finding.js';
import { hex } from './model.js';
import type { Suggestion } from './suggest.js';
import type { Suppressed } from './suppressions.js';

/** All that a report shows. */
export interface Report {
  readonly comparison: Comparison;
  readonly result: Suppressed;
  readonly suggestion: Suggestion;
  /** Classes that make the check fail. */
  readonly failOn: ReadonlySet<ChangeClass>;
}

export function failures({ result, failOn }: Report): Finding[] {
  return result.findings.filter((finding) => failOn.has(finding.class));
}

/** For a terminal: a line a finding, and what callers get below it. */
export function textReport(report: Report): string[] {
  const { result, comparison } = report;
  const lines: string[] = [];
  for (const finding of result.findings) {
    lines.push(`${finding.class}: ${finding.subject}: ${finding.message}`);
    lines.push(...effectLines(finding).map((line) => `    ${line}`));
  }
  for (const { finding, reason } of result.suppressed)
    lines.push(`suppressed: ${finding.class}: ${finding.message} (${reason})`);
  lines.push(...suggestionLines(report));
  const { old, new: newer } = comparison;
  lines.push(`${old.name} -> ${newer.name}: ${summary(report)}`);
  return lines;
}

/** What clients of either side get. */
export function effectLines({ oldClient, newClient, old, new: newer }: Finding): string[] {
  const lines: string[] = [];
  if (oldClient) lines.push(`a client built for the old header that calls ${old!.name}: ${oldClient.text}`);
  if (newClient)
    lines.push(`a client built for the new header that calls ${newer!.name} on an old kernel: ${newClient.text}`);
  return lines;
}

export function summary(report: Report): string {
  const { findings, suppressed } = report.result;
  const broken = failures(report).length;
  const parts = [broken === 0 ? 'compatible' : `${broken} ${broken === 1 ? 'break' : 'breaks'}`];
  if (findings.length > broken) parts.push(`${findings.length - broken} other`);
  if (suppressed.length > 0) parts.push(`${suppressed.length} suppressed`);
  return parts.join(', ');
}

export function suggestionLines({ suggestion, comparison, result }: Report): string[] {
  const { additive, free } = suggestion;
  if (result.findings.length === 0) return [];
  const lines: string[] = [];
  if (free.length > 0 && additive) lines.push(`free numbers: ${free.map(({ nr }) => hex(nr, 2)).join(', ')}`);
  if (additive) {
    lines.push('the same commands with every old number kept:');
    for (const { name, nr, kept } of additive) lines.push(`    ${hex(nr, 2)}  ${name}${kept ? '' : '  (new)'}`);
  }
  return comparison.commands.findings.length > 0 ? lines : [];
}

/** One JSON object a finding. Numbers that are values are hex, as headers and traces have them. */
export function jsonReport({ result, failOn }: Report): string[] {
  const plain = (finding: Finding) => ({
    class: finding.class,
    subject: finding.subject,
    ...(finding.old && { old: plainSide(finding.old) }),
    ...(finding.new && { new: plainSide(finding.new) }),
    ...(finding.within && { within: finding.within }),
    message: finding.message,
    breaks: failOn.has(finding.class),
    ...(finding.oldClient && { oldClient: finding.oldClient }),
    ...(finding.newClient && { newClient: finding.newClient }),
  });
  return [
    ...result.findings.map((finding) => JSON.stringify(plain(finding))),
    ...result.suppressed.map(({ finding, reason }) =>
      JSON.stringify({ ...plain(finding), breaks: false, suppressed: reason }),
    ),
  ];
}

function plainSide({ name, value, at }: Side): object {
  return { name, ...(value !== undefined && { value: hex(value) }), ...(at && { at }) };
}

/** To paste into a review mail: reads as text too. */
export function markdownReport(report: Report): string[] {
  const { comparison, result } = report;
  const { old, new: newer } = comparison;
  const lines = [`### ABI check: ${old.name} -> ${newer.name}: ${summary(report)}`, ''];
  for (const kind of Object.keys(CLASSES) as Exclude<ChangeClass, 'same'>[]) {
    const found = result.findings.filter((finding) => finding.class === kind);
    if (found.length === 0) continue;
    lines.push(`**${kind}** - ${CLASSES[kind].about}`, '');
    for (const finding of found) {
      lines.push(`- ${finding.message}`, ...effectLines(finding).map((line) => `  - ${line}`));
    }
    lines.push('');
  }
  for (const { finding, reason } of result.suppressed) lines.push(`- suppressed: ${finding.message} (${reason})`);
  const suggestion = suggestionLines(report);
  if (suggestion.length > 0) lines.push(...suggestion.map((line) => (line.startsWith(' ') ? line : `${line}\n`)), '');
  return lines;
}
