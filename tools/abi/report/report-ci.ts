// For services that show findings beside the code.

import { relative, resolve } from 'node:path';
import { CLASS_NAMES, CLASSES, type Finding, isBreak } from '../compare/finding.js';
import { failures, type Report, summary } from './check-report.js';
import { effectLines } from './report-text.js';

/** SARIF 2.1.0. Files are named from the folder that the check ran in, which is a repository's root in CI. */
export function sarifReport(report: Report): string {
  const { result } = report;
  const rules = CLASS_NAMES.map((id) => ({ id, shortDescription: { text: CLASSES[id].about } }));
  const results = [
    ...result.findings.map((finding) => sarifResult(finding, report)),
    ...result.suppressed.map(({ finding, reason }) => ({
      ...sarifResult(finding, report),
      suppressions: [{ kind: 'external', justification: reason }],
    })),
  ];
  const driver = { name: 'dmirror abi check', rules };
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [{ tool: { driver }, results }],
  };
  return JSON.stringify(log, null, 2);
}

function sarifResult(finding: Finding, report: Report): object {
  const at = placeOf(finding);
  const text = [finding.message, ...effectLines(finding)].join('\n');
  return {
    ruleId: finding.class,
    level: levelOf(finding, report),
    message: { text },
    ...(at && {
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: encodeURI(at.file), uriBaseId: '%SRCROOT%' },
            region: { startLine: at.line, startColumn: at.column },
          },
        },
      ],
    }),
  };
}

function levelOf(finding: Finding, { fails }: Report): 'error' | 'warning' | 'note' {
  if (fails(finding)) return 'error';
  return isBreak(finding) ? 'warning' : 'note';
}

/** Where a reader looks: in the new header, or in the old one for what is gone. Of REV:path, the path. */
function placeOf({ new: now, old }: Finding): { file: string; line: number; column: number } | undefined {
  const at = now?.at ?? old?.at;
  if (at === undefined) return undefined;
  const path = at.file.replace(/^[^:/][^:]*:/, '');
  const file = path === at.file ? relative('.', resolve(path)) : path;
  return { ...at, file: file.replaceAll('\\', '/') };
}

/** Annotations of a GitHub workflow: one a finding that is more than an addition, then the summary. */
export function githubReport(report: Report): string[] {
  const { result, checked } = report;
  const lines = result.findings
    .filter((finding) => finding.class !== 'added')
    .map((finding) => annotation(finding, report));
  const kind = failures(report).length > 0 ? 'error' : 'notice';
  return [
    ...lines,
    `::${kind} title=dmirror abi check::${escaped(`${checked.old} -> ${checked.new}: ${summary(report)}`)}`,
  ];
}

function annotation(finding: Finding, report: Report): string {
  const at = placeOf(finding);
  const level = levelOf(finding, report);
  const place = at ? `file=${property(at.file)},line=${at.line},col=${at.column},` : '';
  const header = at || finding.header === undefined ? '' : `${finding.header}: `;
  const text = [header + finding.message, ...effectLines(finding)].join('\n');
  return `::${level === 'note' ? 'notice' : level} ${place}title=${property(finding.class)}::${escaped(text)}`;
}

function escaped(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return escaped(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
