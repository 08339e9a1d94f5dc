import { existsSync, readFileSync } from 'node:fs';
import { deflateSync } from 'node:zlib';
import { packageVersion, shipped } from '../package-root.js';
import { causeOfRun } from '../recording/cause.js';
import type { RecordedRun } from '../recording/recorded-run.js';
import { escapeXml } from '../report/junit.js';
import type { PageData, PageFinding } from './page-data.js';
import { PAGE_STYLE } from './page-style.js';
import { MAX_EVENTS, packRecording } from './recording-data.js';

/** A run as the page takes it in. */
export interface PackedRun {
  readonly run: PageData['runs'][number];
  /** Deflated JSON in base64. */
  readonly packed: string;
  /** Its recording ends where it had no more memory. */
  readonly isFull?: boolean;
}

/** What becomes of a page: runs, and the findings of a report that lead to them. */
export interface PageContent {
  readonly title: string;
  readonly runs: readonly PackedRun[];
  readonly findings: readonly PageFinding[];
}

/** A run with as many of its events as a page may have; what is left out is said. */
export function packRun(recorded: RecordedRun, maxEvents = MAX_EVENTS): PackedRun {
  const { title, recording, outcome, findings } = recorded;
  const cause = causeOfRun(recorded);
  const data = packRecording(recording, maxEvents);
  const cut = data.isCut
    ? `cut behind step ${data.steps}${data.steps < recording.steps ? ` of ${recording.steps}: a page has ${maxEvents} events at most` : ': the recording took all the memory that it may'}`
    : null;
  return {
    run: { title, outcome, findings, cause: cause?.text ?? null, step: Math.min(data.steps, cause?.last ?? 0), cut },
    packed: deflateSync(JSON.stringify(data), { level: 9 }).toString('base64'),
    isFull: recording.isCut,
  };
}

/** One file that loads nothing: the program of the page, its style, and the recordings. */
export function viewHtml({ title, runs, findings }: PageContent, program = builtProgram()): string {
  const data: PageData = { title, version: packageVersion(), runs: runs.map(({ run }) => run), findings };
  const packed = runs.map((run, i) => `<script type="text/plain" id="run-${i}">${run.packed}</script>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<div id="app"></div>
<script type="application/json" id="page">${inScript(JSON.stringify(data))}</script>
${packed.join('\n')}
<script>${inScript(program)}</script>
</body>
</html>
`;
}

/** Nothing in a script element may look like its end, nor like a comment of HTML. */
function inScript(text: string): string {
  return text.replaceAll('</', '<\\/').replaceAll('<!--', '<\\!--');
}

const PROGRAM = 'dist/view/page.js';

function builtProgram(): string {
  const file = shipped(PROGRAM);
  if (!existsSync(file)) throw new Error(`${file} is not there: npm run build makes it`);
  return readFileSync(file, 'utf8');
}
