import { mirrorAccess, mirrorPfn } from '../../driver/dmirror/mirror/mirror.js';
import { explore } from '../../driver/explore/index.js';
import { errorFinding, type FoundNow } from '../../driver/explore/race-finding.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import type { TraceEvent, TraceEventOf } from '../../driver/trace/trace-event.js';
import { eventLine } from '../../driver/trace/trace-text.js';
import { PAGE_SIZE } from '../../uapi/mman.js';
import { UsageError } from '../exit-code.js';
import type { TraceFile } from '../trace/trace-file.js';
import { faultyRace, raceOf, sortedOut } from './explore-work.js';
import { RACE_TOKEN, type RaceId, type TokenWords } from './race-token.js';

/** One run of steps of one task, up to the next switch. */
interface WitnessRow {
  /** Index of the thread. */
  readonly thread: number;
  readonly lines: readonly string[];
}

export interface Witness {
  readonly test: string;
  readonly outcome: string;
  /** That no register has. */
  readonly findings: readonly string[];
  /** What Linux itself does wrong, by the name in the register. */
  readonly asLinux: readonly string[];
  readonly threads: readonly string[];
  readonly rows: readonly WitnessRow[];
}

const SHOWN: ReadonlySet<string> = new Set([
  'syscall',
  'lock',
  'unlock',
  'wait',
  'notifier',
  'entry',
  'folio',
  'mirror',
  'page',
  'inject',
]);
/** Of a column on a terminal; elsewhere each is as wide as what stands in it. */
const COLUMN = 64;
/** Of what is too long for it, so much stays of the beginning: what it comes to stands at the end. */
const HEAD = 24;

interface WitnessOptions {
  readonly trace?: TraceFile | null;
  /** The schedule was written down on another path. */
  readonly isMoved?: boolean;
}

/** Runs the schedule of a token again and notes what each step does to entries, folios, locks and the mirror. Throws UsageError. */
export function witnessOf([token, file]: TokenWords, { trace = null, isMoved = false }: WitnessOptions = {}): Witness {
  const { test, path, profile, dialect, injections, choices } = RACE_TOKEN.read(token, file);
  const litmus = raceOf(test, { path, profile, dialect });
  const race = faultyRace(litmus, injections);
  const { machine } = race;
  const rows = new Rows(litmus.tasks, machine);
  const listen = { also: (event: TraceEvent) => rows.note(event), alsoKinds: SHOWN };
  const watched = {
    machine,
    start() {
      // A replay decides without looking on, and is proved as a whole.
      machine.kernel.observe(null);
      if (trace === null) machine.listen(listen.also, SHOWN);
      else trace.listen(machine, { name: token, ...listen });
      race.start();
    },
    outcome() {
      rows.settle();
      machine.listen(null);
      broken.push(...brokenIn(machine));
      return race.outcome();
    },
  };
  const broken: FoundNow[] = [];
  const exploration = explore(watched, { strategy: 'replay', choices, budget: 1, isChecked: false });
  machine.listen(null);
  if (typeof exploration.misfit === 'string') throw misfitError(exploration.misfit, { test, path, isMoved });
  const witness = choices;
  const all = [...exploration.findings, ...broken.map((finding) => ({ ...finding, witness }))];
  const { outcomes, findings, asLinux } = sortedOut({ ...exploration, findings: all });
  return {
    test: test.name,
    outcome: [...outcomes.keys()][0] ?? 'none',
    findings: findings.map(({ kind, message }) => `${kind}: ${message}`),
    asLinux,
    threads: test.threads.map((ops) => ops.join('; ')),
    rows: rows.rows,
  };
}

/** The race does not have the schedule that a token says; `isMoved`: written down on another path. */
export function misfitError(
  misfit: string,
  { test: { name, file }, path, isMoved }: Pick<RaceId, 'test' | 'path'> & { readonly isMoved: boolean },
): UsageError {
  if (isMoved)
    return new UsageError(
      `the schedule of the token does not fit on ${path}: ${misfit}`,
      `explore ${file ?? name} there instead, with --path ${path}`,
    );
  return new UsageError(
    `part 'schedule' of the token: ${misfit}`,
    `explore ${name} anew: the token is damaged, or of another version of dmirror`,
  );
}

function brokenIn(machine: Machine): FoundNow[] {
  try {
    machine.checkInvariants();
    return [];
  } catch (error) {
    return [errorFinding(error, 'invariant')];
  }
}

/** What happens, by the thread to which it does. */
class Rows {
  readonly rows: { readonly thread: number; readonly lines: string[] }[] = [];
  private readonly threads: Map<number, number>;
  /** A mirror is about to change: the lines whose last one says so. */
  private mirror: { readonly event: TraceEventOf<'mirror'>; readonly lines: string[] } | null = null;

  constructor(
    tasks: readonly number[],
    private readonly machine: Machine,
  ) {
    this.threads = new Map(tasks.map((task, thread) => [task, thread]));
  }

  note(event: TraceEvent): void {
    this.settle();
    const thread = this.threads.get(event.task) ?? this.threads.size;
    this.threads.set(event.task, thread);
    if (this.rows.at(-1)?.thread !== thread) this.rows.push({ thread, lines: [] });
    const { lines } = this.rows.at(-1)!;
    lines.push(
      eventLine(event)
        .replace(/^ *\d+ task \d+ /, '')
        .replace(/ +/g, ' '),
    );
    if (event.kind === 'mirror') this.mirror = { event, lines };
  }

  /** What the mirror became, once that has happened: it is told before. */
  settle(): void {
    if (this.mirror === null) return;
    const { event, lines } = this.mirror;
    this.mirror = null;
    const mirror = this.machine.devices.context.files.get(event.file)?.mirror;
    const entry = mirror?.get(event.start / PAGE_SIZE) ?? 0;
    lines.push(`${lines.pop()} -> ${entry === 0 ? 'none' : `pfn ${mirrorPfn(entry)} ${mirrorAccess(entry)}`}`);
  }
}

/** As columns, one a thread, cut to a width only for a terminal. */
export function witnessLines(
  { outcome, findings, asLinux, threads, rows }: Witness,
  { isTerminal = process.stdout.isTTY }: { readonly isTerminal?: boolean } = {},
): string[] {
  const widths = threads.map(({ length }) => (isTerminal ? COLUMN : length + 2));
  for (const { thread, lines } of rows)
    widths[thread] = lines.reduce(
      (most, { length }) => (isTerminal ? COLUMN : Math.max(most, length + 2)),
      widths[thread] ?? 0,
    );
  const starts = widths.map((_, thread) => widths.slice(0, thread).reduce((sum, width) => sum + width, 0));
  const cut = (text: string): string =>
    isTerminal && text.length > COLUMN - 2 ? `${text.slice(0, HEAD)}…${text.slice(HEAD + 3 - COLUMN)}` : text;
  const line = (thread: number, text: string): string => ' '.repeat(starts[thread]!) + cut(text);
  return [
    threads
      .map((text, thread) => cut(text).padEnd(widths[thread]!))
      .join('')
      .trimEnd(),
    ...rows.flatMap(({ thread, lines }) => lines.map((text) => line(thread, text))),
    `outcome: ${outcome}`,
    ...asLinux.map((name) => `as Linux: ${name}`),
    ...findings,
  ];
}
