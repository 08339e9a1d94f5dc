import { h, render } from 'preact';
import { App } from './app.js';
import { openRun, pageData } from './open-run.js';

/** Whatever names a folio is marked while another that names it is pointed at. */
function joinFolios(): void {
  const style = document.head.appendChild(document.createElement('style'));
  let last = '';
  addEventListener('pointerover', (event) => {
    const folio = (event.target as Element).closest?.('[data-folio]')?.getAttribute('data-folio') ?? '';
    if (folio === last) return;
    last = folio;
    style.textContent =
      folio === '' ? '' : `[data-folio="${folio}"] { outline: 2px solid var(--join); outline-offset: -2px; }`;
  });
}

async function start(): Promise<void> {
  const data = pageData();
  const wanted = Number(new URLSearchParams(location.hash.slice(1)).get('run') ?? 0);
  const index = data.runs[wanted] === undefined ? 0 : wanted;
  const run = data.runs[index];
  const first = run === undefined ? null : await openRun(run, index);
  render(h(App, { data, first }), document.getElementById('app')!);
  joinFolios();
}

void start();
