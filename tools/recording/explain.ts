import type { StepView } from '../../driver/recording/index.js';
import { causeOf, isTelling, ROWS, WINDOW } from './cause.js';
import { type Debugged, debugged } from './conditions.js';
import { rangeText, runsOf } from './neighbours.js';
import { entryText, pageName } from './pages.js';
import type { RecordedRun } from './recorded-run.js';
import { whatItDoes } from './step-text.js';

/** Of a mail. */
const WIDTH = 80;
const PAGES = 24;
/** More columns are too narrow to be read. */
const COLUMNS = 3;

/** A run for a mail to a list: what it is, why, the steps around the failure, and the page table before and after. */
export function explainLines(recorded: RecordedRun): string[] {
  const { recording } = recorded;
  const of = debugged(recording);
  const cause = causeOf(of, recorded);
  const first = Math.max(0, cause.first - 1);
  const { outcome, findings } = recorded;
  const letters = of.letters.ids.slice(0, PAGES).map((id) => of.letters.withName(id));
  return [
    ...wrapped(recorded.title),
    ...wrapped(`outcome: ${outcome}`),
    ...findings.flatMap((finding) => wrapped(`found: ${finding}`)),
    '',
    ...wrapped(`cause: ${cause.text}`),
    '',
    ...wrapped(`tasks: ${letters.join(', ')}`),
    '',
    ...columnLines(of, cause.last),
    '',
    ...pageTableLines(of, { first, last: cause.last }),
  ];
}

/** Steps that change something, a column a task, the last ones before `end`. */
function columnLines(of: Debugged, end: number): string[] {
  const { recording, letters } = of;
  const rows: { readonly id: number; readonly lines: readonly string[] }[] = [];
  let count = 0;
  for (let step = end; step >= Math.max(1, end - WINDOW) && count < ROWS; step--) {
    const view = recording.step(step);
    const texts = tellingTexts(of, view);
    const by = view.changes.find(isTelling)?.path ?? view.path;
    const isTurn = step > 1 && recording.taskId(step - 1) !== view.taskId;
    if (texts.length === 0 && !isTurn) continue;
    rows.unshift({
      id: view.taskId,
      lines: [`${step} ${by[0] ?? 'runs'}`, ...texts.map((text) => `  ${text}`)],
    });
    count += 1 + texts.length;
  }
  const ids = letters.ids.filter((id) => rows.some((row) => row.id === id));
  if (ids.length > COLUMNS)
    return rows.flatMap(({ id, lines }) =>
      lines.flatMap((line, i) => cut(`${i === 0 ? letters.of(id) : ' '} ${line}`, WIDTH)),
    );
  const width = Math.floor(WIDTH / Math.max(1, ids.length));
  const heads = ids
    .map((id) => letters.withName(id).padEnd(width))
    .join('')
    .trimEnd();
  const indent = (id: number): string => ' '.repeat(width * ids.indexOf(id));
  return [
    heads,
    ...rows.flatMap(({ id, lines }) => lines.flatMap((line) => cut(line, width - 1).map((part) => indent(id) + part))),
  ];
}

function tellingTexts(of: Debugged, view: StepView): string[] {
  const all = whatItDoes(of, view);
  // Counts and flags follow, and so does what is elsewhere.
  return all.filter(
    (text) => !/^(refcount|mapcount|order|flags|lock |unlock |syscall|(PMD )?entry 0x|fault)/.test(text),
  );
}

/** Two columns: the entry of each page at one step and at another. */
function pageTableLines({ recording, pages }: Debugged, { first, last }: { first: number; last: number }): string[] {
  const [before, after] = [recording.at(first), recording.at(last)];
  const end = Math.min(pages.end, pages.first + 4 * 512);
  const vpns = new Set<number>();
  for (const at of [before, after]) for (const { vpn } of at.pages(pages.mm, pages.first, end)) vpns.add(vpn);
  const rows = [...vpns]
    .sort((a, b) => a - b)
    .map((vpn) => {
      const [old, now] = [before.page(pages.mm, vpn), after.page(pages.mm, vpn)];
      const key = `${old.text} ${old.device} ${now.text} ${now.device}`;
      return { at: vpn, key, numbers: [old.pfn, now.pfn], old, now };
    });
  const runs = runsOf(rows);
  const lines = runs.slice(0, PAGES).map(({ first: from, last: to }) => {
    const names = rangeText(pageName(pages, from.at), pageName(pages, to.at));
    return rowText(names, entryText(from.old, to.old), entryText(from.now, to.now));
  });
  return [
    rowText('page', `before, after step ${first}`, `after step ${last}`),
    ...lines,
    ...(runs.length > PAGES ? [`and ${runs.length - PAGES} lines more`] : []),
  ];
}

function rowText(name: string, before: string, after: string): string {
  return `${name.padEnd(NAME)}${before.padEnd(ENTRY)}${after}`.trimEnd();
}

/** Widths of its columns: the longest entries have room. */
const NAME = 10;
const ENTRY = 35;

function wrapped(text: string): string[] {
  return cut(text, WIDTH);
}

/** Lines of at most so many characters, cut at blanks where there are some; what goes on stands further in. */
function cut(line: string, width: number): string[] {
  const indent = /^ */.exec(line)![0];
  const parts: string[] = [];
  for (let rest = line.trimStart(); rest !== ''; ) {
    const lead = indent + (parts.length === 0 ? '' : '  ');
    const room = Math.max(8, width - lead.length);
    const blank = rest.length <= room ? rest.length : rest.lastIndexOf(' ', room);
    const at = blank <= 0 ? room : blank;
    parts.push(lead + rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return parts;
}
