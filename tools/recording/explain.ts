import type { ChangeView, MachineAt, PageView, StepView } from '../../driver/recording/index.js';
import type { Debugged } from './conditions.js';
import { changeText, entryText, pageName, pagesOf } from './pages.js';
import type { RecordedRun } from './recorded-run.js';
import { whatItDoes } from './step-text.js';
import { TaskLetters } from './task-letters.js';

/** Of a mail. */
const WIDTH = 80;
/** Lines of columns, and steps before the failure that are looked at for them. */
const ROWS = 28;
const WINDOW = 4000;
const PAGES = 24;
/** More columns are too narrow to be read. */
const COLUMNS = 3;

/** A run for a mail to a list: what it is, why, the steps around the failure, and the page table before and after. */
export function explainLines(recorded: RecordedRun): string[] {
  const { recording } = recorded;
  const of: Debugged = { recording, pages: pagesOf(recording), letters: new TaskLetters(recording) };
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

/** What the failure comes from, in one sentence, and the steps between which it happens. */
interface Cause {
  readonly text: string;
  readonly first: number;
  readonly last: number;
}

function causeOf(of: Debugged, recorded: RecordedRun): Cause {
  const { last = of.recording.steps, findings } = recorded;
  const found = stuck(of, of.recording.at(last)) ?? struck(of) ?? conflict(of, last);
  if (found !== null) return found;
  if (findings.length === 0) return { text: 'nothing was found; the run ends well.', ...lastSteps(last) };
  return inProgram(of, last) ?? { text: 'it happens with one task and no injected failure.', ...lastSteps(last) };
}

function lastSteps(last: number): { first: number; last: number } {
  return { first: Math.max(1, last - ROWS), last };
}

/** Tasks by turns that share nothing in the kernel: the last one that was stopped and went on when another had run. */
function inProgram({ recording, letters }: Debugged, end: number): Cause | null {
  const lastOf = new Map<number, number>();
  for (let step = 1; step <= end; step++) lastOf.set(recording.taskId(step), step);
  for (let step = end - 1; step > 1; step--) {
    const [stopped, next] = [recording.taskId(step), recording.taskId(step + 1)];
    if (stopped === next || recording.step(step).ends !== TIME_SLICE || lastOf.get(stopped)! <= step) continue;
    const text = `${letters.of(stopped)} is stopped after step ${step} and ${letters.of(next)} runs; the kernel is not what they race for, so it is memory of the program.`;
    return { text, first: Math.max(1, step - ROWS), last: Math.min(end, step + TURN) };
  }
  return null;
}

/** Where a program gives way between two instructions. */
const TIME_SLICE = 'time slice';
/** Steps that are shown of whoever goes on. */
const TURN = 8;

/** Tasks that wait for each other, or for ever. */
function stuck({ letters }: Debugged, at: MachineAt): Cause | null {
  const tasks = at.tasks();
  const waiting = tasks.filter(({ state }) => state === 'blocked');
  if (waiting.length === 0 || tasks.some(({ state }) => state === 'runnable' || state === 'sleeping')) return null;
  const owner = (name: string | null): string => {
    const id = name === null ? null : letters.find(name);
    return name === null ? '' : ` of ${id === null ? name : letters.of(id)}`;
  };
  const texts = waiting.map(({ id, waitsFor, ownedBy, holds, stack }) => {
    const held = holds.length === 0 ? '' : ` and holds ${holds.join(', ')}`;
    const where = stack.length === 0 ? '' : ` in ${functionOf(stack)}`;
    return `${letters.of(id)} waits for ${waitsFor}${owner(ownedBy)}${where}${held}`;
  });
  return { text: `${texts.join('; ')}.`, ...lastSteps(at.step) };
}

/** An injected failure. */
function struck(of: Debugged): Cause | null {
  const { recording, letters } = of;
  for (let step = 1; step <= recording.steps; step++) {
    const event = recording.events(step).find(({ kind }) => kind === 'inject');
    if (event?.kind !== 'inject') continue;
    const place = event.page < 0 ? '' : `, page ${event.page}`;
    const path = functionOf(recording.path(step));
    return {
      text: `${event.rule === event.point ? '' : `rule ${event.rule}: `}${event.point} fails in ${event.phase}${place}, in step ${step} of ${letters.ofStep(step)}, ${path}.`,
      first: step,
      last: Math.min(recording.steps, step + ROWS),
    };
  }
  return null;
}

/** The last two steps of different tasks that changed the same thing: their order is what another schedule has otherwise. */
function conflict(of: Debugged, end: number): Cause | null {
  const { recording, letters } = of;
  const last = new Map<string, ChangeView & { readonly taskId: number }>();
  let found: { a: ChangeView; b: ChangeView } | null = null;
  for (let step = Math.max(1, end - WINDOW); step <= end; step++) {
    const view = recording.step(step);
    for (const change of view.changes) {
      if (!isTelling(change)) continue;
      const before = last.get(change.what);
      if (before !== undefined && before.taskId !== view.taskId) found = { a: before, b: change };
      last.set(change.what, { ...change, taskId: view.taskId });
    }
  }
  if (found === null) return null;
  const { a, b } = found;
  const side = (change: ChangeView): string =>
    `step ${change.step} of ${letters.ofStep(change.step)} (${functionOf(change.path)}, ${changeText(of.pages, change)})`;
  const text = `${side(a)} and ${side(b)} conflict: what comes of it is decided by their order.`;
  return { text, first: a.step, last: Math.min(end, b.step + 1) };
}

/** Entries and mirrors are what programs see; counts and flags follow. */
function isTelling({ what }: ChangeView): boolean {
  return /^(entry|PMD entry|mirror)/.test(what);
}

/** The innermost function that is not about one entry or lock alone. */
function functionOf(path: readonly string[]): string {
  return path.slice(0, 2).join(' < ') || 'unknown';
}

/** Steps that change something, a column a task, the last ones before `end`. */
function columnLines(of: Debugged, end: number): string[] {
  const { recording, letters } = of;
  const rows: { readonly id: number; readonly lines: readonly string[] }[] = [];
  let count = 0;
  for (let step = end; step >= Math.max(1, end - WINDOW) && count < ROWS; step--) {
    const view = recording.step(step);
    const texts = tellingTexts(of, view);
    const isTurn = step > 1 && recording.taskId(step - 1) !== view.taskId;
    if (texts.length === 0 && !isTurn) continue;
    rows.unshift({
      id: view.taskId,
      lines: [`${step} ${view.path[0] ?? 'runs'}`, ...texts.map((text) => `  ${text}`)],
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
  const sorted = [...vpns].sort((a, b) => a - b);
  const text = (page: PageView): string => entryText(page).padEnd(30);
  const row = (vpn: number): string =>
    `${pageName(pages, vpn).padEnd(6)}${text(before.page(pages.mm, vpn))}${text(after.page(pages.mm, vpn))}`.trimEnd();
  return [
    `${'page'.padEnd(6)}${`before, after step ${first}`.padEnd(30)}after step ${last}`,
    ...sorted.slice(0, PAGES).map(row),
    ...(sorted.length > PAGES ? [`and ${sorted.length - PAGES} pages more`] : []),
  ];
}

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
