import { Director } from '../../driver/explore/director.js';
import { ReplayStrategy } from '../../driver/explore/replay-strategy.js';
import type { TraceEvent } from '../../driver/trace/trace-event.js';
import { eventLine } from '../../driver/trace/trace-text.js';
import type { ScheduleId } from './explore-token.js';
import { raceOf } from './explore-work.js';

/** One run of steps of one task, up to the next switch. */
interface WitnessRow {
  /** Index of the thread. */
  readonly thread: number;
  readonly lines: readonly string[];
}

export interface Witness {
  readonly outcome: string;
  readonly threads: readonly string[];
  readonly rows: readonly WitnessRow[];
}

const SHOWN: ReadonlySet<string> = new Set([
  'syscall',
  'lock',
  'unlock',
  'wait',
  'switch',
  'notifier',
  'entry',
  'folio',
  'mirror',
  'page',
]);
const COLUMN = 64;

/** Runs one schedule again and notes what each step does to entries, folios, locks and the mirror. */
export function witnessOf({ test, path, profile, choices }: ScheduleId): Witness {
  const race = raceOf(test, { path, profile });
  const { machine } = race;
  const { kernel } = machine;
  const director = new Director(new ReplayStrategy(choices));
  const threadOf = new Map<number, number>();
  const rows: { thread: number; lines: string[] }[] = [];
  const note = (event: TraceEvent): void => {
    if (!threadOf.has(event.task)) threadOf.set(event.task, threadOf.size);
    const thread = threadOf.get(event.task)!;
    if (event.kind === 'switch') return;
    if (rows.at(-1)?.thread !== thread) rows.push({ thread, lines: [] });
    rows.at(-1)!.lines.push(
      eventLine(event)
        .replace(/^ *\d+ task \d+ /, '')
        .replace(/ +/g, ' '),
    );
  };
  race.start();
  for (const [t, task] of race.tasks.entries()) threadOf.set(task, t);
  kernel.scheduler.policy = director;
  machine.listen(note, SHOWN);
  kernel.scheduler.wantsFine = true;
  director.begins();
  let outcome: string;
  try {
    const { reason } = machine.run();
    outcome = reason === 'idle' ? '' : 'hang';
  } catch (error) {
    outcome = error instanceof Error ? error.message.split('\n')[0]! : String(error);
  }
  director.ends();
  kernel.scheduler.wantsFine = false;
  machine.listen(null);
  return {
    outcome: outcome === '' ? race.outcome() : outcome,
    threads: test.threads.map((ops) => ops.join('; ')),
    rows,
  };
}

/** As columns, one a thread. */
export function witnessLines({ outcome, threads, rows }: Witness): string[] {
  const cell = (text: string): string =>
    (text.length > COLUMN - 2 ? `${text.slice(0, COLUMN - 3)}…` : text).padEnd(COLUMN);
  const line = (thread: number, text: string): string => (' '.repeat(COLUMN * thread) + cell(text)).trimEnd();
  return [
    threads.map(cell).join('').trimEnd(),
    ...rows.flatMap(({ thread, lines }) => lines.map((text) => line(thread, text))),
    outcome,
  ];
}
