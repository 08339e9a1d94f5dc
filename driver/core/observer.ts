import type { Effect } from './effect.js';
import type { Task } from './task.js';

/**
 * What tasks share, and what an id of each kind is. An object is a kind and an id, a whole number below 2^53; neighbours
 * have neighbouring ids where that lets one call name many. Spin locks are none: their sections are atomic, so two of
 * them conflict only by what they touch.
 */
export const Shared = {
  /** A sleeping lock: `objectId` of the instance. Readers of an rw_semaphore read it. */
  lock: 0,
  /** `objectId` of the wait queue. */
  waitQueue: 1,
  /** Entries by level: `entryId(mm, vpn)` of the first page that the entry covers. */
  pte: 2,
  pmd: 3,
  pud: 4,
  pgd: 5,
  /** What a core may hold of an entry: `entryId(mm, vpn)`. */
  tlb: 6,
  /** Flushes that are still to come: id of the mm. */
  tlbPending: 7,
  /** The vmas of an address space, with their flags and borders: id of the mm. */
  vmaList: 8,
  /** mm_users, mm_count, and whether an mm lives: its id. */
  mmUsers: 9,
  /** PG_locked of a folio: pfn of its head. */
  folioLock: 10,
  /** The other flags of a page: pfn. */
  pageFlags: 11,
  /** References of a folio: pfn of its head. */
  refcount: 12,
  /** Mappings of a page, or on the head of the folio as a whole: pfn. */
  mapcount: 13,
  /** Whose page it is: rmap object and index, device data: pfn. */
  pageMapping: 14,
  /** Head, order, zone and swap slot of a page: pfn. */
  folioShape: 15,
  /** The bytes of a frame: its pfn. */
  content: 16,
  /** The vmas under an anon_vma or a file: id of that object. */
  rmap: 17,
  /** Which frame the allocator hands out next; 0. */
  freeFrames: 18,
  /** Which page a device hands out next, and its chunks: its minor number. */
  freeDevicePages: 19,
  /** References of a swap slot: the slot. */
  swapMap: 20,
  /** The folio of a swap slot: the slot. */
  swapCache: 21,
  /** Which slot swap hands out next; 0. */
  freeSlots: 22,
  /** A folio of a file: `entryId(mapping, index)`. */
  pageCache: 23,
  /** The sequence of an address space's invalidations: id of the mm. */
  notifierSeq: 24,
  /** The sequence that an interval notifier last saw: its `objectId`. */
  intervalSeq: 25,
  /** What a device file maps: `entryId(file, vpn)`. */
  mirror: 26,
  /** The reserve and the free list of huge pages; 0. */
  hugetlbPool: 27,
  /** Which number the next thing of a kind gets: place in `NUMBERED`. */
  nextNumber: 28,
  /** What a task is sent: fatal signals and whether its sleep can be ended; its id. */
  signals: 29,
  /** Who is whose child, and who has ended; 0. */
  processes: 30,
  /** The descriptors of a table, or the references of an open file: its `objectId`. */
  files: 31,
  /** What a device file is told to do otherwise: its number. */
  fileFlags: 32,
  /** When pages last moved to or from a device: its minor number. */
  deviceMoves: 33,
  /** Virtual time, where somebody decides by it, and the timers; 0. */
  clock: 34,
  /** How many invalidations of an address space run: its id. */
  notifierActive: 35,
  /** Pins of a folio: pfn of its head. */
  pincount: 36,
  /** The address spaces that khugepaged looks at, and where it is; 0. */
  khugepaged: 37,
  /** Which anon_vma a vma has: `entryId(mm, vpn)` of its first page. */
  anonVma: 38,
} as const;
export type SharedKind = (typeof Shared)[keyof typeof Shared];

/** Names for reports, by kind. */
export const SHARED_NAMES: readonly string[] = Object.keys(Shared);

/**
 * Bits of how an object is touched. `lockless`: no lock keeps the value, so another CPU may change it right after. `add`: it is counted up
 * or down by who does not look at it, so the order of two such does not matter. `peek`: looks at a part that only a `write` changes.
 * Of references, of which the last is a `write`: `add`, one is taken, with `peek` unless there is none; `drop`, one goes; `near`, and leaves
 * a single one; `within` and `beyond`, somebody asked whether there are at most so many, and was told yes or no.
 * `undone`: what the step has written is as it was before, and nobody met it meanwhile; all that is left of it is an `add`.
 */
export const Access = {
  read: 1,
  write: 2,
  lockless: 4,
  add: 8,
  drop: 16,
  near: 32,
  peek: 64,
  within: 128,
  beyond: 256,
  undone: 512,
} as const;

export const CHANGES = Access.write | Access.add | Access.drop;

/** What more to say of a `drop` once it is known how many are `left`. */
export function lastDrop(left: number): number {
  return left <= 0 ? Access.write : left === 1 ? Access.near : Access.drop;
}

/** A reference is taken unless there is none, which then is a `read`. */
export const GET_ALIVE = Access.add | Access.peek;

/** By bit: what conflicts with it, whoever comes first. */
const AGAINST: readonly (readonly [bit: number, others: number])[] = [
  [Access.write, Access.undone - 1],
  [Access.read, CHANGES],
  [Access.add, Access.read | Access.write | Access.within],
  [Access.drop, Access.read | Access.write | Access.beyond],
  [Access.peek, Access.write],
  [Access.within, Access.write | Access.add],
  [Access.beyond, Access.write | Access.drop],
];

const AGAINST_ALL = Int16Array.from({ length: Access.undone }, (_, how) =>
  AGAINST.reduce((all, [bit, others]) => ((how & bit) !== 0 ? all | others : all), 0),
);

/** Does it matter in which order an object is touched in these two ways, both as they would be now? */
export function accessesConflict(a: number, b: number): boolean {
  return (AGAINST_ALL[a % Access.undone]! & (b % Access.undone)) !== 0;
}

/** What gets numbers that others may see: hits of the injection points that a rule is about from `hit` on, one each. */
export const NUMBERED = { mm: 0, mapping: 1, deviceFile: 2, process: 3, hit: 4 } as const;

/** Pages of an address space, as in tables/page-table.ts; mm and file ids stay below 2^18. */
const PAGES_PER_SPACE = 2 ** 35;

/** The id of page `vpn` in address space, file or mapping `space`. */
export function entryId(space: number, vpn: number): number {
  return space * PAGES_PER_SPACE + vpn;
}

/** For readers of ids: the two numbers that `entryId` joined. */
export function spaceAndPage(id: number): { space: number; vpn: number } {
  const space = Math.floor(id / PAGES_PER_SPACE);
  return { space, vpn: id - space * PAGES_PER_SPACE };
}

/**
 * Stands where tasks touch what they share, and is told before they do. Calls carry numbers only: an observer may run at
 * every access of thousands of schedules. It changes nothing and never throws but to end the run.
 */
export interface Observer {
  /** The running task, if there is one, touches the `count` objects of `kind` from `id` on, as `how` says. */
  touch(kind: SharedKind, id: number, how: number, count: number): void;
  /** An entry that is part of a tree gets another value. Level 1 is a PTE, `vpn` the first page it covers. */
  entryChanges(mm: number, vpn: number, level: number, change: EntryChange): void;
  /** One `coroutine.next()` of `task` begins. */
  stepBegins(task: Task): void;
  /** It ended with `effect`, or with null because the task returned. */
  stepEnds(task: Task, effect: Effect | null): void;
}

/** An observer that looks at some of what it is told, and passes on all of it. */
export abstract class PassingObserver implements Observer {
  constructor(protected readonly next: Observer | null) {}

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    this.next?.touch(kind, id, how, count);
  }

  entryChanges(mm: number, vpn: number, level: number, change: EntryChange): void {
    this.next?.entryChanges(mm, vpn, level, change);
  }

  stepBegins(task: Task): void {
    this.next?.stepBegins(task);
  }

  stepEnds(task: Task, effect: Effect | null): void {
    this.next?.stepEnds(task, effect);
  }
}

/** Both values of an entry, see mm/tables/entry.ts. The object is used again by the next change. */
export interface EntryChange {
  oldLo: number;
  oldHi: number;
  newLo: number;
  newHi: number;
}

/** Who may have an observer: the kernel. */
export interface Observable {
  readonly observer: Observer | null;
}

/** For what no kernel owns. */
export const NOBODY: Observable = { observer: null };
