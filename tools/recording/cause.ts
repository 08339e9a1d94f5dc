import type { ChangeView, MachineAt } from '../../driver/recording/index.js';
import { type Debugged, debugged, locksOfFolio } from './conditions.js';
import { changeText } from './pages.js';
import { CUT, type RecordedRun } from './recorded-run.js';

/** Steps that are shown around a failure. */
export const ROWS = 28;
/** Steps before the failure that are looked at. */
export const WINDOW = 4000;

/** What the failure comes from, in one sentence, and the steps between which it happens. */
export interface Cause {
  readonly text: string;
  readonly first: number;
  readonly last: number;
}

/** What a run comes from that nobody has looked at yet, with the names of the tasks in it; null where nothing was found. */
export function causeOfRun(recorded: RecordedRun): Pick<Cause, 'text' | 'last'> | null {
  const { recording, findings } = recorded;
  if (findings.length === 0) return null;
  const of = debugged(recording);
  const { letters } = of;
  const { text, last } = causeOf(of, recorded);
  const named = letters.ids.filter((id) => new RegExp(`\\b${letters.of(id)}\\b`).test(text));
  return { text: `${text} (${named.map((id) => letters.withName(id)).join(', ')})`, last };
}

export function causeOf(of: Debugged, recorded: RecordedRun): Cause {
  const { last = of.recording.steps, findings } = recorded;
  if (of.recording.isCut)
    return { text: `not known: the run goes on behind step ${last}, but ${CUT}.`, ...lastSteps(last) };
  const found =
    stuck(of, of.recording.at(last)) ?? struck(of) ?? leaked(of, recorded) ?? conflict(of, { last, findings });
  if (found !== null) return withCount(of, found, recorded);
  if (findings.length === 0) return { text: 'nothing was found; the run ends well.', ...lastSteps(last) };
  const alone = { text: 'it happens with one task and no injected failure.', ...lastSteps(last) };
  return inProgram(of, last) ?? withCount(of, alone, recorded);
}

/** Where a count that does not add up got its value. */
function withCount({ recording, letters }: Debugged, cause: Cause, { findings }: RecordedRun): Cause {
  const [, pfn, count, value] = /pfn (\d+): (refcount|mapcount) is (-?\d+), but/.exec(findings.join('\n')) ?? [];
  if (pfn === undefined) return cause;
  const change = recording
    .changesOfFolio(Number(pfn))
    .findLast(({ what, new: now }) => what.startsWith(count!) && now === value);
  if (change === undefined) return cause;
  const by = `step ${change.step} of ${letters.ofStep(change.step)} (${functionOf(change.path)})`;
  return { ...cause, text: `${cause.text.slice(0, -1)}; the ${count} of folio ${pfn} is ${value} since ${by}.` };
}

/** A call that goes back to its program with locks of folios: since when, and what others did to their entries meanwhile. */
function leaked(of: Debugged, { findings, last = of.recording.steps }: RecordedRun): Cause | null {
  const { recording, letters, pages } = of;
  const [, name] = /task (\S+) returns to user holding/.exec(findings.join('\n')) ?? [];
  const id = name === undefined ? null : letters.find(name);
  if (id === null) return null;
  const folios = recording
    .at(last)
    .lockedFolios()
    .filter(({ by }) => by === id);
  const [take] = folios.flatMap(({ pfn }) => locksOfFolio(recording, pfn).at(-1) ?? []);
  if (take === undefined) return null;
  const text = `${letters.of(id)} returns with folio ${folios.map(({ pfn }) => pfn).join(', ')} locked since step ${take.step} (${functionOf(take.path)})`;
  const isOfThem = (value: string): boolean => folios.some(({ pfn }) => value.endsWith(` ${pfn}`));
  for (let step = last; step > take.step; step--) {
    if (recording.taskId(step) === id) continue;
    const change = recording.step(step).changes.find((one) => isTelling(one) && isOfThem(one.old));
    if (change === undefined) continue;
    const meanwhile = `; meanwhile step ${step} of ${letters.ofStep(step)} takes away what it would find them by (${functionOf(change.path)}, ${changeText(pages, change)})`;
    return { text: `${text}${meanwhile}.`, first: take.step, last: Math.min(last, step + TURN) };
  }
  return { text: `${text}.`, first: take.step, last };
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
      text: `${event.rule.includes(event.point) ? '' : `rule ${event.rule}: `}${event.point} is struck in ${event.phase}${place}, in step ${step} of ${letters.ofStep(step)}, ${path}.`,
      first: step,
      last: Math.min(recording.steps, step + ROWS),
    };
  }
  return null;
}

/** The last two steps of different tasks that changed the same thing: their order is what another schedule has otherwise. */
function conflict(of: Debugged, { last: end, findings }: { last: number; findings: readonly string[] }): Cause | null {
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
  // Which order makes the outcome is known of a finding alone: without one there may be earlier conflicts that do.
  if (findings.length === 0) {
    const text = `nothing was found; the last that both have changed: ${side(a)}, then ${side(b)}.`;
    return { text, first: a.step, last: Math.min(end, Math.max(b.step + 1, a.step + ROWS)) };
  }
  const text = `${side(a)} and ${side(b)} conflict: what comes of it is decided by their order.`;
  return { text, first: a.step, last: Math.min(end, b.step + 1) };
}

/** Entries and mirrors are what programs see; counts and flags follow. */
export function isTelling({ what }: ChangeView): boolean {
  return /^(entry|PMD entry|mirror)/.test(what);
}

/** The innermost function that is not about one entry or lock alone. */
function functionOf(path: readonly string[]): string {
  return path.slice(0, 2).join(' < ') || 'unknown';
}
