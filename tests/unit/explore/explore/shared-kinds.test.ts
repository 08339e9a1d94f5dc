import { describe, expect, it } from 'vitest';
import { ROW_BITS } from '../../../../driver/core/footprint.js';
import { accessesConflict, SHARED_NAMES } from '../../../../driver/core/observer.js';
import { Director } from '../../../../driver/explore/director.js';
import { explored } from '../../../../driver/explore/explorer.js';
import type { Race } from '../../../../driver/explore/index.js';
import { RandomStrategy } from '../../../../driver/explore/random-strategy.js';
import { MachineSubject } from '../../../../driver/explore/subject.js';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../../../driver/sys/machine/machine-options.js';
import { Call, type Thread } from '../../../../driver/sys/processes/thread.js';
import { raceOf } from '../../../../tools/explore/explore-work.js';
import { shippedTest } from '../../../../tools/explore/shipped-tests.js';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import * as mman from '../../../../uapi/mman.js';
import type { CallArg } from '../../../../uapi/system-call.js';
import { anon, ret } from '../../sys/helpers.js';
import { Recorded } from '../recorded.js';

const SCHEDULES = 40;
const { MAP_ANONYMOUS, MAP_FIXED, MAP_HUGETLB, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE } = mman;
const DIALECT = 'B-onfault-flags';

type OneCall = readonly [Thread, string, ...CallArg[]];
interface Stage {
  readonly main: Thread;
  /** A second thread of the same process. */
  readonly other: Thread;
  readonly addr: number;
  command(name: 'READ' | 'MIGRATE_TO_DEV' | 'FLAGS', thread: Thread): OneCall;
}

function stagedRace(calls: (stage: Stage) => readonly OneCall[], options: Partial<MachineOptions>): Race {
  const machine = new Machine({ ramBytes: 32 << 20, ...options });
  const { main } = machine.createProcess({ dialect: DIALECT });
  const other = machine.threadByTid(ret(main, 'thread'))!;
  const [addr, ptr] = [anon(main, 2), anon(main, 2)] as const;
  for (const at of [addr, ptr]) ret(main, 'store', at, new Uint8Array(2 * PAGE_SIZE).fill(1));
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const command: Stage['command'] = (name, thread) => {
    const record = encodeHmmDmirrorCmd({ addr, ptr, npages: 1 });
    return [thread, 'ioctlBytes', fd, commandNumber(dialectByName(DIALECT)!, name)!, record];
  };
  const racing = calls({ main, other, addr, command });
  return {
    machine,
    start() {
      for (const [thread, name, ...args] of racing) {
        if (name === 'sleep') thread.enqueue(sleepingCall());
        else machine.start(thread, name, args);
      }
    },
    outcome: () => '',
  };
}

function sleepingCall(): Call {
  return new Call('sleep', [], function* () {
    yield { kind: 'sleep', ticks: 10 };
    return { ret: 0 };
  });
}

const childOf = (thread: Thread): Thread => thread.process.machine.process(ret(thread, 'fork'))!.main;
const storesTo = (addr: number, threads: readonly Thread[]): OneCall[] =>
  threads.map((thread) => [thread, 'store', addr, Uint8Array.of(1)]);

function mapped(thread: Thread, at: number, { len = PAGE_SIZE, flags = 0, fd = -1 } = {}): number {
  const type = (flags & MAP_SHARED) === 0 ? MAP_PRIVATE : 0;
  return ret(thread, 'mmap', at, len, mman.PROT_READ | mman.PROT_WRITE, flags | type, fd, 0);
}

function fileCalls({ main, other }: Stage): OneCall[] {
  const fd = ret(main, 'open', '/tmp/file', 0o102);
  ret(main, 'ftruncate', fd, PAGE_SIZE);
  return storesTo(mapped(main, 0, { flags: MAP_SHARED, fd }), [main, other]);
}

function exitAgainstChild({ main, command }: Stage): OneCall[] {
  return [command('READ', childOf(main)), [main, 'exit', 0]];
}

/** To memory with nothing near, which nobody has touched yet. */
const FAR_STORES: Staged = [
  ({ main, other }) => storesTo(mapped(main, 2 ** 45, { flags: MAP_ANONYMOUS | MAP_FIXED }), [main, other]),
];

/** By kind: a shipped test, or calls, that two tasks can be interleaved around an object of it. */
const RACES: Readonly<Record<keyof typeof import('../../../../driver/core/observer.js').Shared, string | Staged>> = {
  lock: 'fresh-mig-mapover',
  waitQueue: 'fresh-mig-fork',
  pte: 'fresh-mig-dontneed',
  pmd: 'fresh-mig-mapover',
  pud: 'fresh-mig-mapover',
  pgd: FAR_STORES,
  tlb: 'fresh-excl-load',
  tlbPending: 'folio-pageout-dontneed1',
  vmaList: 'fresh-mig-mapover',
  mmUsers: [exitAgainstChild],
  folioLock: 'fresh-mig-pageout',
  pageFlags: 'fresh-mig-pageout',
  refcount: 'fresh-mig-pageout',
  mapcount: 'fresh-mig-pageout',
  pageMapping: 'fresh-mig-pageout',
  folioShape: 'fresh-mig-pageout',
  content: 'fresh-mig-store',
  rmap: 'excl-fork',
  freeFrames: 'fresh-mig-mapover',
  freeDevicePages: 'dev-sys-load',
  swapMap: 'swap-load-store',
  swapCache: 'swap-load-store',
  freeSlots: 'swap-load-store',
  pageCache: [fileCalls],
  notifierSeq: 'fresh-mig-mapover',
  notifierActive: 'fresh-mig-mapover',
  intervalSeq: 'fresh-mig-snap',
  mirror: 'fresh-mig-load',
  hugetlbPool: [
    ({ main, other }) => {
      const flags = MAP_ANONYMOUS | MAP_HUGETLB | MAP_PRIVATE;
      return [main, other].map((thread) => [thread, 'mmap', 0, 2 ** 21, mman.PROT_READ, flags, -1, 0]);
    },
    { hugePages: 4 },
  ],
  nextNumber: [({ main, other }) => [main, other].map((thread) => [thread, 'fork'])],
  signals: [({ main, other, command }) => [command('READ', main), [other, 'exit', 0]]],
  processes: [({ main, other }) => [main, other].map((thread) => [thread, 'fork'])],
  files: 'fresh-mig-close0',
  fileFlags: [({ main, other, command }) => [command('MIGRATE_TO_DEV', main), command('FLAGS', other)]],
  deviceMoves: [({ main, other, command }) => [command('MIGRATE_TO_DEV', main), command('READ', other)]],
  clock: [({ main, other, command }) => [command('READ', main), [other, 'sleep']]],
  pincount: 'fresh-mig-pin',
  anonVma: FAR_STORES,
  khugepaged: [({ main, other }) => [main, other].map((thread) => [thread, 'khugepaged'])],
};
type Staged = readonly [calls: (stage: Stage) => readonly OneCall[], options?: Partial<MachineOptions>];

function raceFor(from: string | Staged): Race {
  if (typeof from !== 'string') return stagedRace(from[0], from[1] ?? {});
  return raceOf(shippedTest(from), { path: 'classic', profile: '6.12' });
}

/** The kinds that this race is there for. */
function kindsFrom(race: string | Staged): number[] {
  return SHARED_NAMES.flatMap((name, kind) => (RACES[name as keyof typeof RACES] === race ? [kind] : []));
}

const known = new Map<unknown, ReadonlySet<number>>();

/** Kinds of the objects that two tasks touch in both orders, in ways that conflict, until all that are `wanted` are among them. */
function interleavedKinds(race: Race, wanted: readonly number[]): Set<number> {
  const orders = new Set<string>();
  const kinds = new Set<number>();
  const draws = new RandomStrategy(1, SCHEDULES);
  const director = new Director(draws);
  const subject = new MachineSubject(race, director, { stepLimit: 20_000, isChecked: false });
  for (let n = 0; n < SCHEDULES && !wanted.every((kind) => kinds.has(kind)); n++) {
    const recorded = new Recorded(draws);
    director.strategy = recorded;
    recorded.begins();
    explored(subject, director);
    for (const order of ordersIn(recorded)) {
      orders.add(order);
      if (orders.has(order.replace(/(\d+) (\d+)$/, '$2 $1'))) kinds.add(Number.parseInt(order, 10));
    }
  }
  subject.release();
  return kinds;
}

function* ordersIn({ footprints: { row, firstRow, steps, taskOf, objects } }: Recorded) {
  const before = new Map<number, { task: number; how: number }[]>();
  for (let step = 0; step < steps; step++)
    for (let at = firstRow[step]!; at < firstRow[step + 1]!; at++) {
      const object = row[at]! >>> ROW_BITS;
      const task = taskOf[step]!;
      const others = before.get(object) ?? [];
      for (const other of others)
        if (other.task !== task && accessesConflict(other.how, row[at]!))
          yield `${objects.kinds[object]} ${objects.ids[object]}: ${other.task} ${task}`;
      before.set(object, [...others, { task, how: row[at]! }]);
    }
}

describe('two tasks can be interleaved around', () => {
  it.each(SHARED_NAMES.map((name, kind) => [name, kind] as const))('%s', (name, kind) => {
    const from = RACES[name as keyof typeof RACES];
    expect(from, `${name} needs a race`).toBeDefined();
    if (!known.has(from)) known.set(from, interleavedKinds(raceFor(from), kindsFrom(from)));
    expect(known.get(from)).toContain(kind);
  });
});
