import { replayCommand } from '../glob.js';
import { isWrong, schedulesText, type TestReport } from './explore-report.js';
import { type TokenWords, tokenWords } from './race-token.js';
import type { Witness } from './witness.js';

/** What came of tests as one page that loads nothing: a table of tests and outcomes, and for each witness the columns of its steps. */
export function exploreHtml(reports: readonly TestReport[], witnessOf: (words: TokenWords) => Witness): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dmirror explore: ${reports.length} tests</title>
<style>${STYLE}</style>
</head>
<body>
<h1>What ${reports.length} races come to</h1>
<p>An outcome leads to the steps of one schedule that comes to it, one column a thread.</p>
<div class="scroll"><table class="tests">
<thead><tr><th scope="col">test</th><th scope="col">outcome</th><th scope="col">schedules</th><th scope="col">seen on Linux</th></tr></thead>
<tbody>
${reports.map(testRows).join('\n')}
</tbody>
</table></div>
${reports.map((report) => sections(report, witnessOf)).join('\n')}
</body>
</html>
`;
}

function testRows(report: TestReport): string {
  const { test, path, profile, verdict, outcomes } = report;
  const about = `<th scope="rowgroup" rowspan="${Math.max(1, outcomes.length)}">${text(test)}<br><small>${path}, ${profile}: ${verdict},
${schedulesText(report)}</small></th>`;
  const cells = outcomes.map(
    ({ outcome, schedules: count, seen, fault }, i) =>
      `<td><a href="#${idOf(report, i)}"><code>${text(outcome)}</code></a>${fault === undefined ? '' : `<br><small>with ${text(fault)}</small>`}</td><td class="n">${count}</td><td class="n">${seen ?? ''}</td>`,
  );
  const rows = cells.length === 0 ? ['<td>none</td><td></td><td></td>'] : cells;
  return rows
    .map((row, i) => `<tr${isWrong(report) ? ' class="wrong"' : ''}>${i === 0 ? about : ''}${row}</tr>`)
    .join('\n');
}

function sections(report: TestReport, witnessOf: (words: TokenWords) => Witness): string {
  const { test, problems, asLinux } = report;
  const notes = [...asLinux.map((name) => `as Linux: ${name}`), ...report.notes, ...problems.map(({ what }) => what)];
  const found = problems.flatMap(({ what, token }, i) =>
    token === undefined
      ? []
      : [witnessHtml(`${idOf(report, i)}-p`, what, { words: tokenWords(token, report.file), witnessOf })],
  );
  const outcomes = report.outcomes.map(({ outcome, token }, i) =>
    witnessHtml(idOf(report, i), outcome, { words: tokenWords(token, report.file), witnessOf }),
  );
  return `<h2>${text(test)}</h2>
${notes.map((note) => `<p class="note">${text(note)}</p>`).join('\n')}
${[...found, ...outcomes].join('\n')}`;
}

function witnessHtml(
  id: string,
  title: string,
  { words, witnessOf }: { words: TokenWords; witnessOf: (words: TokenWords) => Witness },
): string {
  const { threads, rows } = witnessOf(words);
  const width = rows.reduce((most, { thread }) => Math.max(most, thread + 1), threads.length);
  const head = Array.from({ length: width }, (_, t) => `<th scope="col">${text(threads[t] ?? 'others')}</th>`).join('');
  const body = rows.map(({ thread, lines }) => {
    const cell = lines.map(text).join('<br>');
    return `<tr>${Array.from({ length: width }, (_, t) => `<td>${t === thread ? cell : ''}</td>`).join('')}</tr>`;
  });
  return `<section id="${id}">
<h3><code>${text(title)}</code></h3>
<p><code>${text(replayCommand(...words))}</code></p>
<div class="scroll"><table class="steps"><thead><tr>${head}</tr></thead><tbody>${body.join('\n')}</tbody></table></div>
</section>`;
}

function idOf({ test, path, profile }: TestReport, i: number): string {
  return `${test}-${path}-${profile}-${i}`.replace(/[^\w-]/g, '_');
}

function text(value: string): string {
  return value.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --wrong: #d333; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 90rem; padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { margin-top: 2rem; } h3 { margin: 1.2rem 0 0.2rem; font-size: 1rem; }
section:target { outline: 2px solid Highlight; outline-offset: 6px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: 0.15rem 0.5rem; vertical-align: top; text-align: left; }
.n { text-align: right; }
.wrong, .note { background: var(--wrong); }
.steps td { font: 13px/1.35 ui-monospace, monospace; min-width: 16rem; }
a { color: inherit; }
@media print { section { break-inside: avoid; } }
`;
