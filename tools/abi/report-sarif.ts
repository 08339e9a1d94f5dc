import { type ChangeClass, CLASSES, type Finding } from './finding.js';
import { effectLines, type Report } from './report-text.js';

/** SARIF 2.1.0, for what shows findings beside the code. */
export function sarifReport(report: Report): string {
  const { result, failOn } = report;
  const rules = Object.entries(CLASSES).map(([id, { about }]) => ({ id, shortDescription: { text: about } }));
  const results = [
    ...result.findings.map((finding) => sarifResult(finding, failOn)),
    ...result.suppressed.map(({ finding, reason }) => ({
      ...sarifResult(finding, failOn),
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

function sarifResult(finding: Finding, failOn: ReadonlySet<ChangeClass>): object {
  const at = finding.new?.at ?? finding.old?.at;
  const text = [finding.message, ...effectLines(finding)].join('\n');
  return {
    ruleId: finding.class,
    level: failOn.has(finding.class) ? 'error' : 'note',
    message: { text },
    ...(at && {
      locations: [
        {
          physicalLocation: {
            artifactLocation: { uri: encodeURI(at.file) },
            region: { startLine: at.line, startColumn: at.column },
          },
        },
      ],
    }),
  };
}
