import { callPath } from '../../driver/core/call-path.js';
import type { Effect } from '../../driver/core/effect.js';
import { type Observer, Shared, type SharedKind } from '../../driver/core/observer.js';
import type { BlockedTask } from '../../driver/core/scheduler.js';
import type { Task } from '../../driver/core/task.js';
import { explore, type RaceFinding } from '../../driver/explore/index.js';
import type { LitmusRace } from '../explore/litmus-race.js';
import { citedBy, snakeCase } from '../fault/plans/callers.js';

/** One of those who wait for each other, or for themselves. */
export interface Waiter {
  /** The call that it is in. */
  readonly call: string;
  readonly waitsFor: string;
  readonly whose: 'its own' | "another's" | '';
  /** Of Linux, innermost first. */
  readonly functions: readonly string[];
  /** The innermost of the series among them, else the innermost. */
  readonly place: string;
}

/** What a schedule ends in that must not be, without the numbers of this run. */
export interface RaceShape {
  /** Empty: nobody waits, the calls have ended. */
  readonly waiters: readonly Waiter[];
  /** The same for the same way to fail. */
  readonly key: string;
}

/** Runs the finding's schedule again, and looks where those are who wait. */
export function shapeOf(race: LitmusRace, { kind, message, witness, waits = [] }: RaceFinding): RaceShape {
  const places = new Places();
  const watched = {
    machine: race.machine,
    start() {
      race.machine.kernel.observe(places);
      race.start();
    },
    outcome: () => '',
  };
  if (waits.length > 0) explore(watched, { strategy: 'replay', choices: witness, budget: 1, isChecked: false });
  const waiters = inCycle(waits).map(({ task, doing, waitsFor, ownedBy }): Waiter => {
    const whose = ownedBy === null ? '' : ownedBy === task ? 'its own' : "another's";
    const functions = places.of(task);
    const place = functions.find((name) => OF_THE_SERIES.test(name)) ?? functions[0] ?? '';
    return { call: doing, waitsFor: waitsFor.replace(/ \d.*/, ''), whose, functions, place };
  });
  const keys = waiters.map(({ call, waitsFor, whose, place }) =>
    [kind, ON_FAULT === call ? call : 'another call', 'for', whose, waitsFor, 'in', place].join(' '),
  );
  return { waiters, key: keys.length === 0 ? textOf({ kind, message }) : keys.sort().join('; ') };
}

const ON_FAULT = 'MIGRATE_ON_FAULT_TO_DEV';
/** Functions that the series changes or that its calls go through. */
const OF_THE_SERIES = /^(hmm|dmirror|mmu_interval|migrate_vma)_/;

/** Who waits for itself, if anybody does; else all who wait and have what somebody waits for, or what nobody owns. */
function inCycle(blocked: readonly BlockedTask[]): readonly BlockedTask[] {
  const selves = blocked.filter(({ task, ownedBy }) => task === ownedBy);
  if (selves.length > 0) return selves;
  return blocked.filter(({ task }) => blocked.some(({ ownedBy }) => ownedBy === null || ownedBy === task));
}

/** The same for findings that differ in numbers only. */
export function textOf({ kind, message }: Pick<RaceFinding, 'kind' | 'message'>): string {
  const [line = ''] = message.split('\n');
  const words = line.replace(/\b\d+\/\d+|\b0x[\da-f]+|\b\d+\b/g, '#').replace(/ x\d+| ?folios #.*/g, '');
  return `${kind}: ${words}`;
}

/** Functions of Linux that wait, and in which nothing can be made to fail. */
const WAITS = ['migration_entry_wait_on_locked', 'migration_entry_wait', 'mmu_interval_read_begin'];

/** Where each task was when it went to sleep: what it looked at last, it looked at there. */
class Places implements Observer {
  private last: readonly string[] = [];
  private readonly paths = new Map<string, readonly string[]>();

  touch(kind: SharedKind): void {
    // The scheduler's part of going to sleep.
    if (kind !== Shared.waitQueue) this.last = callPath();
  }

  entryChanges(): void {}

  stepBegins(): void {
    this.last = [];
  }

  stepEnds(task: Task, effect: Effect | null): void {
    if (effect?.kind === 'wait' && this.last.length > 0) this.paths.set(task.name, this.last);
  }

  of(task: string): string[] {
    return (this.paths.get(task) ?? []).flatMap(
      (name) => citedBy(name) ?? (WAITS.includes(snakeCase(name)) ? snakeCase(name) : []),
    );
  }
}
