import type { Output } from '../output.js';
import { escapeXml, type JunitRun, junitXml } from './junit.js';
import type { CaseResult } from './runner.js';

/** Files that a command writes its results to beside what it prints. */
export interface ResultFileOptions {
  readonly junit?: string | undefined;
  readonly html?: string | undefined;
}

/** Opens them before the work begins, which is also the time that they tell; what it gives writes them. Throws OutputError. */
export function resultFiles(
  { junit, html }: ResultFileOptions,
  output: Output,
): (results: readonly CaseResult[], run: Omit<JunitRun, 'at'>) => void {
  const at = new Date();
  const files = { junit: openFile('--junit', junit, output), html: openFile('--html', html, output) };
  return (results, run) => {
    files.junit?.write(junitXml(results, { ...run, at }));
    files.html?.write(resultHtml(results, run));
  };
}

function openFile(option: string, path: string | undefined, output: Output) {
  return path === undefined ? null : output.file(option, path);
}

/** All results as a page, what failed first. */
function resultHtml(results: readonly CaseResult[], { name, properties }: Omit<JunitRun, 'at'>): string {
  const of = (status: CaseResult['status']): CaseResult[] => results.filter((result) => result.status === status);
  const known = Object.entries(properties).flatMap(([key, value]) => (value === undefined ? [] : `${key} ${value}`));
  const totals = `${of('pass').length} passed, ${of('fail').length} failed, ${of('skip').length} skipped`;
  return [
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeXml(name)}</title>`,
    '<style>body{font:15px sans-serif;margin:2em}td{padding:2px 1em 2px 0;vertical-align:top}.fail{color:#b00}.skip{color:#666}</style>',
    `<h1>${escapeXml(name)}</h1><p>${escapeXml([totals, ...known].join('; '))}</p><table>`,
    ...[...of('fail'), ...of('skip'), ...of('pass')].map(row),
    '</table></html>\n',
  ].join('\n');
}

function row({ status, path, name, ms, reason, message = '', diagnostics = [] }: CaseResult): string {
  const more = diagnostics.length === 0 ? '' : `<pre>${escapeXml(diagnostics.join('\n'))}</pre>`;
  const cells = [
    `<td class="${status}">${status}`,
    `<td>${path}`,
    `<td>${escapeXml(name)}`,
    `<td>${(ms / 1000).toFixed(3)} s`,
  ];
  return `<tr>${cells.join('')}<td>${escapeXml(reason ?? message)}${more}`;
}
