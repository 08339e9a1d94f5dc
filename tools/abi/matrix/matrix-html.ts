import { hex } from '../load/model.js';
import type { Matrix, MatrixCall, MatrixCell } from './matrix-run.js';

/** The matrix as one page that loads nothing: a table of cells, each a link to what its calls came to. */
export function matrixHtml(matrix: Matrix): string {
  const { ids, cells } = matrix;
  const head = ids.map((id) => `<th scope="col"><span>${text(id)}</span></th>`).join('');
  const rows = cells.map((row, i) => `<tr><th scope="row">${text(ids[i]!)}</th>${row.map(cellHtml).join('')}</tr>`);
  const details = cells
    .flat()
    .filter(({ status }) => status !== 'same')
    .map(detailHtml);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dmirror: every dialect's client on every dialect's device</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Every dialect's client on every dialect's device</h1>
<p>A row is what the client was built for, a column what the device speaks. Each pair was run on the emulated machine; a cell leads to
what its calls came to.</p>
<ul class="legend">
<li><b class="same">=</b> every call does what it did</li>
<li><b class="silent">!</b> a call silently does another thing</li>
<li><b class="refused">e</b> a call gets an error</li>
<li><b class="not-modelled">?</b> a command that is not modelled</li>
</ul>
<div class="scroll"><table class="matrix">
<thead><tr><td></td>${head}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table></div>
<h2>What the calls came to</h2>
${details.join('\n')}
</body>
</html>
`;
}

const SIGNS = { same: '=', silent: '!', refused: 'e', 'not modelled': '?' } as const;

function cellHtml(cell: MatrixCell): string {
  const label = `${cell.client} on ${cell.device}: ${cell.text}`;
  const kind = cell.status.replace(' ', '-');
  if (cell.status === 'same') return `<td class="same" title="${text(label)}">${SIGNS.same}</td>`;
  return `<td class="${kind}"><a href="#${idOf(cell)}" title="${text(label)}" aria-label="${text(label)}">${SIGNS[cell.status]}</a></td>`;
}

function detailHtml(cell: MatrixCell): string {
  const rows = cell.calls.filter(({ status }) => status !== 'same').map(callHtml);
  return `<section id="${idOf(cell)}">
<h3>${text(cell.client)} on ${text(cell.device)}</h3>
<table class="calls"><tbody>${rows.join('')}</tbody></table>
</section>`;
}

function callHtml({ number, status, text: what }: MatrixCall): string {
  return `<tr><td><code>${hex(number, 8)}</code></td><td class="${status.replace(' ', '-')}">${status}</td><td>${text(what)}</td></tr>`;
}

function idOf({ client, device }: MatrixCell): string {
  return `${client}-on-${device}`;
}

function text(value: string): string {
  return value.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

const STYLE = `
:root { color-scheme: light dark; --line: #8884; --same: #8882; --silent: #d33; --refused: #c80; --unknown: #68a; }
body { font: 16px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { margin-top: 2rem; } h3 { margin: 1.2rem 0 0.2rem; font-size: 1rem; }
section { break-inside: avoid; } section p { margin: 0.2rem 0; }
section:target { outline: 2px solid var(--refused); outline-offset: 6px; }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: 0.4rem 1.5rem; }
.legend b { display: inline-block; width: 1.5em; text-align: center; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; }
.matrix td, .matrix tbody th { border: 1px solid var(--line); }
.matrix tbody td { text-align: center; min-width: 1.7rem; height: 1.7rem; padding: 0; }
.matrix tbody th { text-align: right; padding: 0 0.5rem; font-weight: normal; white-space: nowrap; position: sticky; left: 0; background: Canvas; }
.matrix thead td { border: 0; }
.matrix thead th { vertical-align: bottom; font-weight: normal; padding: 0.3rem 0; }
.matrix thead span { writing-mode: vertical-rl; transform: rotate(180deg); white-space: nowrap; }
.matrix a { display: block; color: inherit; text-decoration: none; font-weight: bold; line-height: 1.7rem; }
.matrix a:focus-visible { outline: 3px solid Highlight; }
.same { background: var(--same); color: inherit; }
.silent { background: var(--silent); color: #fff; }
.refused { background: color-mix(in srgb, var(--refused) 35%, Canvas); }
.not-modelled { background: color-mix(in srgb, var(--unknown) 30%, Canvas); }
body { overflow-wrap: anywhere; }
.calls td:not(:last-child) { white-space: nowrap; }
.calls td { border: 1px solid var(--line); padding: 0.15rem 0.5rem; vertical-align: top; }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; margin: 0; font-size: 9pt; }
  .scroll { overflow: visible; }
  td, b { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  .matrix tbody th { position: static; }
  .matrix tbody td { min-width: 1.2rem; height: 1.2rem; } .matrix a { line-height: 1.2rem; }
}
`;
