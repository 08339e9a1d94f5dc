import { CLASS_NAMES, CLASSES, type Finding, isBreak, type Side } from '../compare/finding.js';
import { hex } from '../load/model.js';
import { type Report, summary } from './check-report.js';

/** For a terminal: a line a finding, and what callers get below it. Of folders, what is only new is counted and not listed. */
export function textReport(report: Report): string[] {
  const { result, checked } = report;
  const ofFolders = result.findings.some(({ header }) => header !== undefined);
  const shown = ofFolders ? result.findings.filter((finding) => finding.class !== 'added') : result.findings;
  const lines: string[] = [];
  for (const finding of shown) {
    lines.push(`${inHeader(finding)}${finding.class}: ${finding.subject}: ${finding.message}`);
    lines.push(...effectLines(finding).map((line) => `    ${line}`));
  }
  for (const { finding, reason } of result.suppressed)
    lines.push(`suppressed: ${inHeader(finding)}${finding.class}: ${finding.message} (${reason})`);
  lines.push(...suggestionLines(report));
  const hidden = result.findings.length - shown.length;
  if (hidden > 0) lines.push(`${hidden} additions are not listed; --format json has them`);
  lines.push(`${checked.old} -> ${checked.new}: ${summary(report)}`);
  return lines;
}

function inHeader({ header }: Finding): string {
  return header === undefined ? '' : `${header}: `;
}

/** What clients of either side get. */
export function effectLines({ oldClient, newClient, old, new: newer }: Finding): string[] {
  const lines: string[] = [];
  if (oldClient) lines.push(`a client built for the old header that calls ${old!.name}: ${oldClient.text}`);
  if (newClient)
    lines.push(`a client built for the new header that calls ${newer!.name} on an old kernel: ${newClient.text}`);
  return lines;
}

function suggestionLines({ suggestion, checked, result }: Report): string[] {
  if (suggestion === undefined || result.findings.length === 0) return [];
  const { additive, free } = suggestion;
  const lines: string[] = [];
  if (free.length > 0 && additive) lines.push(`free numbers: ${free.map(({ nr }) => hex(nr, 2)).join(', ')}`);
  if (additive) {
    lines.push('the same commands with every old number kept:');
    for (const { name, nr, kept } of additive) lines.push(`    ${hex(nr, 2)}  ${name}${kept ? '' : '  (new)'}`);
  }
  return checked.comparison!.commands.findings.length > 0 ? lines : [];
}

/** One JSON object a finding. Numbers that are values are hex, as headers and traces have them. */
export function jsonReport({ result, fails }: Report): string[] {
  const plain = (finding: Finding) => ({
    class: finding.class,
    subject: finding.subject,
    ...(finding.header && { header: finding.header }),
    ...(finding.old && { old: plainSide(finding.old) }),
    ...(finding.new && { new: plainSide(finding.new) }),
    ...(finding.within && { within: finding.within }),
    message: finding.message,
    breaks: isBreak(finding),
    fails: fails(finding),
    ...(finding.oldClient && { oldClient: finding.oldClient }),
    ...(finding.newClient && { newClient: finding.newClient }),
  });
  return [
    ...result.findings.map((finding) => JSON.stringify(plain(finding))),
    ...result.suppressed.map(({ finding, reason }) =>
      JSON.stringify({ ...plain(finding), fails: false, suppressed: reason }),
    ),
  ];
}

function plainSide({ name, value, at }: Side): object {
  return { name, ...(value !== undefined && { value: hex(value) }), ...(at && { at }) };
}

/** To paste into a review mail: reads as text too. */
export function markdownReport(report: Report): string[] {
  const { checked, result } = report;
  const lines = [`### ABI check: ${checked.old} -> ${checked.new}: ${summary(report)}`, ''];
  for (const kind of CLASS_NAMES) {
    const found = result.findings.filter((finding) => finding.class === kind);
    if (found.length === 0) continue;
    lines.push(`**${kind}** - ${CLASSES[kind].about}`, '');
    for (const finding of found) {
      lines.push(`- ${inHeader(finding)}${finding.message}`, ...effectLines(finding).map((line) => `  - ${line}`));
    }
    lines.push('');
  }
  for (const { finding, reason } of result.suppressed) lines.push(`- suppressed: ${finding.message} (${reason})`);
  const suggestion = suggestionLines(report);
  if (suggestion.length > 0) lines.push(...suggestion.map((line) => (line.startsWith(' ') ? line : `${line}\n`)), '');
  return lines;
}
