import { LockClass } from '../../driver/core/lock-class.js';
import {
  Access,
  CHANGES,
  type EntryChange,
  entryId,
  type Observer,
  SHARED_NAMES,
  Shared,
  type SharedKind,
} from '../../driver/core/observer.js';
import { Mirror } from '../../driver/dmirror/mirror/mirror.js';
import { MmuSubscriptions } from '../../driver/hmm/interval-notifier.js';
import { PageCache } from '../../driver/mm/files/page-cache.js';
import { PAGE_SIZE } from '../../driver/mm/frames/frames.js';
import type { Table } from '../../driver/mm/tables/table.js';
import { SPAN } from '../../driver/mm/tables/table.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import { MachinePool } from '../../driver/sys/machine/machine-pool.js';

/** Any field of an object, whatever its class says about it. */
type Fields = Record<string, unknown>;
type Numbers = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
/** Index in an array that tasks share, and what is done there. */
type Check = (index: number, how: number) => void;

const ANY = 0;
/** Of what is read only a part matters. */
const PARTS = Access.peek | Access.within | Access.beyond;
/** Places are looked for as often; finding one takes long. */
const MANY = 2000;
/** Names of elements begin with a digit, those of methods do not. */
const NINE = '9'.charCodeAt(0);
/** Ranges that are not worth to be taken apart. */
const LONG = 4096;

/** What the arrays of `Frames` hold, as the observer is told of it. */
const FRAME_ARRAYS: readonly (readonly [string, SharedKind])[] = [
  ['refcounts', Shared.refcount],
  ['pincounts', Shared.pincount],
  ['mapcounts', Shared.mapcount],
  ['entireMapcounts', Shared.mapcount],
  ['folioMapcounts', Shared.mapcount],
  ['mappings', Shared.pageMapping],
  ['indexes', Shared.pageMapping],
  ['deviceData', Shared.pageMapping],
  ['heads', Shared.folioShape],
  ['orders', Shared.folioShape],
  ['swapSlots', Shared.folioShape],
  ['lockOwners', Shared.folioLock],
];

/**
 * Machines whose shared state lies behind a trap: an access that the observer was not told of before, in the same step, is
 * written down with the line that made it.
 */
export class TrapPool extends MachinePool {
  /** Accesses that by-passed the seam: object, and the line. */
  readonly bypasses = new Set<string>();
  /** Reads of entries that are not marked lockless, while nobody held the page table lock. */
  readonly unlocked = new Set<string>();
  unlockedReads = 0;
  /** Kinds that no access was told of. */
  readonly untold = new Set<string>(SHARED_NAMES);
  private readonly traps = new Map<unknown, Trap>();
  private hooks: (() => void)[] = [];

  override take(options: Partial<MachineOptions> = {}): Machine {
    const machine = new Machine(options);
    this.traps.set(machine.memory.kernel, new Trap(machine, this));
    return machine;
  }

  override give(machine: Machine): void {
    this.traps.delete(machine.memory.kernel);
  }

  /** Hears from objects that machines make as they run, until `close`. Other tests use their classes too. */
  open(): void {
    const { traps } = this;
    this.hooks = [
      hook(MmuSubscriptions.prototype, 'insertIntoTree', (subscriptions, interval) => {
        const { mm } = interval as { mm: { memory: { kernel: unknown } } };
        traps.get(mm.memory.kernel)?.trapInterval(subscriptions, interval as Fields);
      }),
      hook(Mirror.prototype, 'leaf', (mirror, vpn) => traps.get(mirror.kernel)?.checkMirror(mirror, vpn as number)),
      hook(PageCache.prototype, 'leaf', (cache, key) => traps.get(cache.kernel)?.checkPageCache(cache, key as number)),
    ];
  }

  close(): void {
    for (const unhook of this.hooks) unhook();
  }
}

class Trap implements Observer {
  private readonly seen: readonly Map<number, number>[] = SHARED_NAMES.map(() => new Map());
  private ranges: { kind: SharedKind; id: number; count: number; how: number }[] = [];

  constructor(
    private readonly machine: Machine,
    private readonly pool: TrapPool,
  ) {
    machine.kernel.observe(this);
    this.trapFrames();
    this.trapTables();
    this.trapMms();
    this.trapSwap();
  }

  stepBegins(): void {
    this.forget();
  }

  stepEnds(): void {
    this.forget();
  }

  entryChanges(mm: number, vpn: number, level: number, _change: EntryChange): void {
    this.check((Shared.pte - 1 + level) as SharedKind, entryId(mm, vpn), Access.write);
  }

  touch(kind: SharedKind, id: number, how: number, count: number): void {
    const { task, pool } = this;
    if (task === null) return;
    pool.untold.delete(SHARED_NAMES[kind]!);
    if (count > LONG) this.ranges.push({ kind, id, count, how });
    else for (let n = 0; n < count; n++) this.seen[kind]!.set(id + n, (this.seen[kind]!.get(id + n) ?? 0) | how);
    const isLockedRead = kind === Shared.pte && (how & (Access.read | Access.lockless)) === Access.read;
    if (!isLockedRead || task.held[LockClass.ptl] !== 0 || pool.unlockedReads++ > MANY) return;
    const line = place();
    if (!/invariants\.ts/.test(line)) pool.unlocked.add(line);
  }

  private get task() {
    return this.machine.kernel.scheduler.current;
  }

  private forget(): void {
    for (const objects of this.seen) if (objects.size > 0) objects.clear();
    this.ranges = [];
  }

  /** Was the observer told? */
  private check(kind: SharedKind, id: number, how: number): void {
    if (this.task === null) return;
    const known = this.seen[kind]!.get(id);
    // Whoever is about to write may read what he adds to.
    const isPart = how === Access.read && known !== undefined && (known & PARTS) !== 0;
    if (isPart || (known !== undefined && ((known & how) === how || (known & CHANGES) !== 0))) return;
    if (this.ranges.some((of) => of.kind === kind && of.id <= id && id < of.id + of.count && (of.how & how) === how))
      return;
    // Proofs and preconditions look at what nobody may change now; they are no part of what they check.
    if (/invariants\.ts|Frames\.assert/.test(new Error().stack ?? '')) return;
    const word = how === Access.read ? 'reads' : how === Access.write ? 'writes' : 'touches';
    this.pool.bypasses.add(`${word} ${SHARED_NAMES[kind]} ${place()}`);
  }

  private trapFrames(): void {
    const { memory } = this.machine;
    const frames = memory.frames as unknown as Fields;
    for (const [name, kind] of FRAME_ARRAYS) trapArray(frames, name, (pfn, how) => this.check(kind, pfn, how));
    // More than one object in a word: which of them is meant is seen in the mask only.
    trapArray(frames, 'flagWords', (pfn) => {
      const isKnown = [Shared.folioLock, Shared.folioShape].some((kind) => this.seen[kind]!.has(pfn));
      if (!isKnown) this.check(Shared.pageFlags, pfn, ANY);
    });
    trapArray(memory as unknown as Fields, 'bytes', (at, how) =>
      this.check(Shared.content, Math.floor(at / PAGE_SIZE), how),
    );
    for (const name of ['state', 'freeInBlock', 'listHead', 'nextFree'])
      trapArray(memory.allocator as unknown as Fields, name, () => this.check(Shared.freeFrames, 0, Access.write));
  }

  private trapTables(): void {
    const { tables } = this.machine.memory;
    const trapped = new WeakSet<Table>();
    const allocate = tables.allocate.bind(tables);
    tables.allocate = (isLeaf) => {
      const table = allocate(isLeaf);
      if (!trapped.has(table)) this.trapTable(table);
      trapped.add(table);
      return table;
    };
  }

  private trapTable(table: Table): void {
    const place = table as unknown as { mmId: number; level: number; firstVpn: number };
    const check = (i: number, how: number) => {
      const { mmId, level, firstVpn } = place;
      if (mmId === 0) return;
      this.check((Shared.pte - 1 + level) as SharedKind, entryId(mmId, firstVpn + i * SPAN[level]!), how);
    };
    trapArray(place as unknown as Fields, 'cells', (at, how) => check(at >>> 1, how === Access.read ? ANY : how));
  }

  private trapMms(): void {
    const { mms } = this.machine.memory;
    const add = mms.add.bind(mms);
    mms.add = (mm) => {
      for (const name of ['users', 'count'])
        trapField(mm as unknown as Fields, name, () => this.check(Shared.mmUsers, mm.id, ANY));
      for (const name of ['tlbFlushPending', 'tlbBatches'])
        trapField(mm as unknown as Fields, name, () => this.check(Shared.tlbPending, mm.id, ANY));
      trapArray(mm as unknown as Fields, 'vmas', () => {
        // Whoever holds mmap_lock has touched that.
        if (this.task !== null && this.task.held[LockClass.mmapLock] === 0) this.check(Shared.vmaList, mm.id, ANY);
      });
      return add(mm);
    };
  }

  trapInterval(subscriptions: Fields, interval: Fields): void {
    const { mm, objectId } = interval as { mm: { id: number }; objectId: number };
    trapField(interval, 'invalidateSeq', () => this.check(Shared.intervalSeq, objectId, ANY));
    trapField(subscriptions, 'seq', () => this.check(Shared.notifierSeq, mm.id, ANY));
    trapField(subscriptions, 'active', () => this.check(Shared.notifierActive, mm.id, ANY));
  }

  checkMirror({ fileId }: Fields, vpn: number): void {
    this.check(Shared.mirror, entryId(fileId as number, vpn), ANY);
  }

  checkPageCache({ mappingId }: Fields, key: number): void {
    if (this.task === null) return;
    const first = entryId(mappingId as number, key * 512);
    for (let n = 0; n < 512; n++) if (this.seen[Shared.pageCache]!.has(first + n)) return;
    this.check(Shared.pageCache, first, ANY);
  }

  private trapSwap(): void {
    const swap = this.machine.memory.swap as unknown as Fields;
    trapArray(swap, 'counts', (slot) => this.check(Shared.swapMap, slot, ANY));
    trapArray(swap, 'cached', (slot) => this.check(Shared.swapCache, slot, ANY));
  }
}

/** The first line of the sources below the seam itself, with its function. */
function place(): string {
  const { stack = '' } = new Error();
  const line = stack
    .split('\n')
    .find((text) => text.includes('/driver/') && !/\/(observed-)?(table|frames)\.ts/.test(text));
  return line?.replace(/^\s*at /, '').replace(/\(.*\/(driver\/[^:]*):(\d+).*/, '($1:$2)') ?? stack;
}

/** Puts a proxy in place of the array in `field`, which checks each element that is read or written. */
function trapArray(owner: Fields, field: string, check: Check): void {
  const array = owner[field] as Numbers;
  const range = (first: number, end: number, how: number) => {
    for (let i = first; i < end; i += PAGE_SIZE) check(i, how);
    if (end > first) check(end - 1, how);
  };
  const methods: Fields = {
    fill: (value: number, first = 0, end = array.length) => {
      range(first, end, Access.write);
      return array.fill(value, first, end);
    },
    set: (from: Numbers, at = 0) => {
      range(at, at + from.length, Access.write);
      array.set(from, at);
    },
    subarray: (first: number, end: number) => {
      range(first, end, ANY);
      return array.subarray(first, end);
    },
    copyWithin: (to: number, first: number, end: number) => {
      range(first, end, Access.read);
      range(to, to + end - first, Access.write);
      return array.copyWithin(to, first, end);
    },
  };
  const isTyped = ArrayBuffer.isView(array);
  owner[field] = new Proxy(array, {
    get(target, name) {
      if (typeof name === 'string' && name.charCodeAt(0) <= NINE) check(Number(name), Access.read);
      else if (isTyped && Object.hasOwn(methods, name)) return methods[name as string];
      const value = Reflect.get(target, name) as unknown;
      return isTyped && typeof value === 'function' ? value.bind(target) : value;
    },
    set(target, name, value) {
      if (typeof name === 'string' && name.charCodeAt(0) <= NINE) check(Number(name), Access.write);
      return Reflect.set(target, name, value);
    },
  });
}

function trapField(owner: Fields, field: string, check: () => void): void {
  if (Object.getOwnPropertyDescriptor(owner, field)?.get !== undefined) return;
  let value = owner[field];
  Object.defineProperty(owner, field, {
    configurable: true,
    enumerable: true,
    get() {
      check();
      return value;
    },
    set(next) {
      check();
      value = next;
    },
  });
}

/** Calls `before` before a method of a class, with the object and the first argument; what it answers ends that. */
function hook(prototype: object, method: string, before: (self: Fields, argument: unknown) => void): () => void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>;
  const real = methods[method]!;
  methods[method] = function (this: Fields, ...args: unknown[]) {
    before(this, args[0]);
    return real.apply(this, args);
  };
  return () => {
    methods[method] = real;
  };
}
