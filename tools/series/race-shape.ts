import { callPath } from '../../driver/core/call-path.js';
import type { Effect } from '../../driver/core/effect.js';
import { type EntryChange, type Observer, Shared, type SharedKind } from '../../driver/core/observer.js';
import type { BlockedTask } from '../../driver/core/scheduler.js';
import type { Task } from '../../driver/core/task.js';
import { explore, type RaceFinding } from '../../driver/explore/index.js';
import { folioIsLocked } from '../../driver/mm/frames/folio.js';
import { Kind, kindOf } from '../../driver/mm/tables/entry.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import type { LitmusRace } from '../explore/litmus-race.js';
import { citedBy, snakeCase } from '../fault/plans/callers.js';

/** One of those who wait for each other, or for themselves. */
export interface Waiter {
  /** The call that it is in. */
  readonly call: string;
  readonly waitsFor: string;
  readonly whose: 'its own' | "another's" | '';
  /** The function in which it waits; at a migration entry, that of the series which has gone there. */
  readonly place: string;
}

/** What is left of a page whose folio stays locked: its migration entry, for which everybody waits, or nothing that names it. */
export type Lost = 'entry' | 'nothing';

/** What a schedule ends in that must not be, without the numbers of this run. */
export interface RaceShape {
  /** Empty: nobody waits, the calls have ended. */
  readonly waiters: readonly Waiter[];
  /** Of folios that a call has kept locked. */
  readonly lost: Lost | null;
  /** The same for the same way to fail. */
  readonly key: string;
}

/** Runs the finding's schedule again, and looks where those are who wait, or what became of pages that are kept. */
export function shapeOf(race: LitmusRace, { kind, message, witness, waits = [] }: RaceFinding): RaceShape {
  const places = new Places();
  const { machine } = race;
  const watched = {
    machine,
    start() {
      machine.kernel.observe(places);
      race.start();
    },
    outcome: () => '',
  };
  const isKept = KEPT.test(message);
  let lost: Lost | null = null;
  if (waits.length > 0 || isKept)
    explore(watched, {
      ...{ strategy: 'replay', choices: witness, budget: 1, isChecked: false },
      until: () => {
        if (isKept) lost = places.lostIn(machine);
        return true;
      },
    });
  const waiters = inCycle(waits, places).map(({ task, doing, waitsFor, ownedBy }): Waiter => {
    const whose = ownedBy === null ? '' : ownedBy === task ? 'its own' : "another's";
    const functions = places.of(task);
    const isAtEntry = functions[0] === 'migration_entry_wait_on_locked';
    const place = (isAtEntry && functions.find((name) => OF_THE_SERIES.test(name))) || (functions[0] ?? '');
    return { call: doing, waitsFor: waitsFor.replace(/ \d.*/, ''), whose, place };
  });
  const words = waiters.map(({ call, waitsFor, whose, place }) =>
    [kind, ON_FAULT === call ? call : 'another call', 'for', whose, waitsFor, 'in', place].join(' '),
  );
  if (lost !== null) words.push(`a folio is kept, and of its page ${lost}`);
  return { waiters, lost, key: words.length === 0 ? textOf({ kind, message }) : words.sort().join('; ') };
}

const ON_FAULT = 'MIGRATE_ON_FAULT_TO_DEV';
/** A task that is about to end its call, or to end altogether. */
const KEPT =
  /^AssertionError: (task \S+ returns to user holding|lock order: task \S+ wants mmap_lock while it holds) folio_lock/;
/** Functions that the series changes or that its calls go through. */
const OF_THE_SERIES = /^(hmm|dmirror|mmu_interval|migrate_vma)_/;

/** Who waits for itself, if anybody does; else the fewest who wait for each other. */
function inCycle(blocked: readonly BlockedTask[], places: Places): readonly BlockedTask[] {
  const selves = blocked.filter(({ task, ownedBy }) => task === ownedBy);
  if (selves.length > 0) return selves.slice(0, 1);
  // An invalidation is of no task, but it ends only when the range fault that began it does.
  const opens = blocked.filter(({ task }) => places.of(task).includes('hmm_range_fault'));
  const nextOf = ({ ownedBy }: BlockedTask): readonly BlockedTask[] =>
    ownedBy === null ? opens : blocked.filter(({ task }) => task === ownedBy);
  let paths: readonly (readonly BlockedTask[])[] = blocked.map((one) => [one]);
  for (let i = 0; i < blocked.length; i++) {
    const longer = paths.flatMap((path) => nextOf(path.at(-1)!).map((next) => [...path, next]));
    const cycle = longer.find((path) => path[0] === path.at(-1));
    if (cycle !== undefined) return cycle.slice(1);
    paths = longer;
  }
  return blocked;
}

/** The same for findings that differ in numbers only. */
export function textOf({ kind, message }: { readonly kind: string; readonly message: string }): string {
  const [line = ''] = message.split('\n');
  const words = line.replace(/\b\d+\/\d+|\b0x[\da-f]+|\b\d+\b/g, '#').replace(/ x\d+| ?folios #.*/g, '');
  return `${kind}: ${words}`;
}

/** Functions of Linux that wait, and in which nothing can be made to fail. */
const WAITS = ['migration_entry_wait_on_locked', 'migration_entry_wait', 'mmu_interval_read_begin'];

/** Where each task was when it went to sleep: what it looked at last, it looked at there. And which pages have migration entries. */
class Places implements Observer {
  private running: Task | null = null;
  private last: readonly string[] = [];
  private readonly paths = new Map<string, readonly string[]>();
  /** By frame: how many migration entries name it. */
  private readonly entries = new Map<number, number>();

  touch(kind: SharedKind): void {
    // The scheduler's part of going to sleep.
    if (kind !== Shared.waitQueue) this.last = callPath();
  }

  entryChanges(_mm: number, _vpn: number, _level: number, { oldLo, oldHi, newLo, newHi }: EntryChange): void {
    this.count(oldLo, oldHi, -1);
    this.count(newLo, newHi, 1);
  }

  private count(lo: number, pfn: number, by: number): void {
    if (kindOf(lo) === Kind.migration) this.entries.set(pfn, (this.entries.get(pfn) ?? 0) + by);
  }

  /** Of the folios that the task keeps which ran last. */
  lostIn({ memory }: Pick<Machine, 'memory'>): Lost {
    const isKept = (pfn: number): boolean =>
      folioIsLocked(memory, pfn) && memory.frames.lockOwner(pfn) === this.running?.id;
    return [...this.entries].some(([pfn, count]) => count > 0 && isKept(pfn)) ? 'entry' : 'nothing';
  }

  stepBegins(task: Task): void {
    this.running = task;
    this.last = [];
  }

  stepEnds(task: Task, effect: Effect | null): void {
    if (effect?.kind === 'wait' && this.last.length > 0) this.paths.set(task.name, this.last);
  }

  /** Innermost first; who wants a lock says more than how it is taken. */
  of(task: string): string[] {
    return (this.paths.get(task) ?? [])
      .flatMap((name) => citedBy(name) ?? (WAITS.includes(snakeCase(name)) ? snakeCase(name) : []))
      .filter((name) => name !== 'folio_lock');
  }
}
