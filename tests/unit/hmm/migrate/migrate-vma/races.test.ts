import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../../../driver/core/effect.js';
import { SeededRandom } from '../../../../../driver/core/policy.js';
import {
  HmmPfn,
  type HmmRange,
  hmmRangeFault,
  type IntervalNotifier,
  MigrateSelect,
  MigrateVma,
  migrateHmmRangeSetup,
  migrateVmaFinalize,
  migrateVmaPages,
  migrateVmaSetup,
  migrationPath,
  mmuIntervalNotifierInsert,
  mmuIntervalReadBegin,
  mmuIntervalSetSeq,
} from '../../../../../driver/hmm/index.js';
import { MachineKernel } from '../../../../../driver/inject/machine-kernel.js';
import { handleMmFault } from '../../../../../driver/mm/faults/fault.js';
import { FAULT } from '../../../../../driver/mm/faults/fault-code.js';
import { PAGE_SIZE } from '../../../../../driver/mm/frames/frames.js';
import { checkInvariants } from '../../../../../driver/mm/invariants.js';
import { EBUSY } from '../../../../../uapi/errno.js';
import { EQUAL_PATHS, type PathName } from '../../../../../uapi/path-name.js';
import { count } from '../../../../counts.js';
import { Fixture, START, type TestDevice } from '../../fixture.js';

const NPAGES = 8;
const SEEDS = count(20, 60);

/** Migrates `[first, last)` to `device`, or back when it is null. */
function* migrateOnce(
  f: Fixture,
  path: PathName,
  at: { first: number; last: number; to: TestDevice | null },
): Coroutine<void> {
  const migrate = new MigrateVma(NPAGES, migrationPath(path)).request({
    vma: f.vma,
    start: START + at.first * PAGE_SIZE,
    end: START + at.last * PAGE_SIZE,
    flags: at.to === null ? MigrateSelect.devicePrivate : MigrateSelect.system,
    pgmapOwner: (at.to ?? f.device).owner,
  });
  yield* f.mm.mmapLock.readLock();
  expect(yield* migrateVmaSetup(migrate)).toBe(0);
  f.allocateDst(migrate, at.to);
  yield* migrateVmaPages(migrate);
  yield* migrateVmaFinalize(migrate);
  f.mm.mmapLock.readUnlock();
}

/** Faults and migrates on one walk, as often as the range is invalidated meanwhile. */
function* migrateOnFault(f: Fixture, device: TestDevice): Coroutine<void> {
  const ops = {
    *invalidate(interval: IntervalNotifier, range: { owner: object | null }, curSeq: number): Coroutine<boolean> {
      if (range.owner !== device.owner) mmuIntervalSetSeq(interval, curSeq);
      return true;
    },
  };
  const notifier = yield* mmuIntervalNotifierInsert(f.mm, { start: START, length: NPAGES * PAGE_SIZE, ops });
  if (typeof notifier === 'number') throw new Error('no notifier');
  const migrate = new MigrateVma(NPAGES, migrationPath('unified')).request({
    vma: null,
    start: 0,
    end: 0,
    flags: 0,
    pgmapOwner: device.owner,
  });
  const range: HmmRange = {
    notifier,
    notifierSeq: 0,
    start: START,
    end: START + NPAGES * PAGE_SIZE,
    flags: new Uint32Array(NPAGES),
    pfns: new Uint32Array(NPAGES),
    defaultFlags: HmmPfn.reqFault | HmmPfn.reqMigrate,
    pfnFlagsMask: 0,
    devPrivateOwner: device.owner,
    migrate,
  };
  for (;;) {
    range.notifierSeq = yield* mmuIntervalReadBegin(notifier);
    yield* f.mm.mmapLock.readLock();
    const ret = yield* hmmRangeFault(range);
    if (ret === 0) break;
    expect(ret).toBe(-EBUSY);
    f.mm.mmapLock.readUnlock();
  }
  yield* migrateHmmRangeSetup(range);
  f.allocateDst(migrate, device);
  yield* migrateVmaPages(migrate);
  yield* migrateVmaFinalize(migrate);
  f.mm.mmapLock.readUnlock();
}

/** One attempt of the CPU at each page; a fault that lost a race would be tried again by the access. */
function* touch(f: Fixture, flags: number): Coroutine<void> {
  for (let page = 0; page < NPAGES; page++) {
    yield* f.mm.mmapLock.readLock();
    expect(yield* handleMmFault(f.vma, START + page * PAGE_SIZE, flags)).toBe(0);
    f.mm.mmapLock.readUnlock();
  }
}

/** Runs the tasks under one random schedule; afterwards all books must balance and nothing be held. */
function race(seed: number, path: PathName, tasks: (f: Fixture) => Coroutine<void>[]): void {
  const f = new Fixture(NPAGES, new MachineKernel(new SeededRandom(seed), seed, 1_000_000));
  f.device.path = path;
  f.other.path = path;
  for (const page of [0, 1, 4]) f.mapPage(page);
  f.mapPage(5, { device: f.other });
  f.mapPage(6, { device: f.device });
  f.mapZero(7);
  const { scheduler } = f.kernel;
  let returned = 0;
  const all = tasks(f);
  for (const [i, coroutine] of all.entries()) {
    scheduler.start(scheduler.newTask(`t${i}`), coroutine, () => returned++);
  }
  const result = scheduler.run();
  expect(result.blocked, `seed ${seed}`).toEqual([]);
  expect(returned, `seed ${seed}`).toBe(all.length);
  checkInvariants(f.memory);
}

describe.each(EQUAL_PATHS)(`migrations that race, ${SEEDS} seeds, %s path`, (path) => {
  const eachSeed = (tasks: (f: Fixture) => Coroutine<void>[]): void => {
    for (let seed = 1; seed <= SEEDS; seed++) race(seed, path, tasks);
  };

  it('two migrations of overlapping ranges to one device', () => {
    eachSeed((f) => [
      migrateOnce(f, path, { first: 0, last: 6, to: f.device }),
      migrateOnce(f, path, { first: 2, last: 8, to: f.device }),
    ]);
  });

  it('to two devices, and back', () => {
    eachSeed((f) => [
      migrateOnce(f, path, { first: 0, last: 8, to: f.device }),
      migrateOnce(f, path, { first: 0, last: 8, to: f.other }),
      migrateOnce(f, path, { first: 0, last: 8, to: null }),
    ]);
  });

  it('a migration and CPU accesses', () => {
    eachSeed((f) => [migrateOnce(f, path, { first: 0, last: 8, to: f.device }), touch(f, 0), touch(f, FAULT.write)]);
  });

  it('two devices that both migrate on fault, and the CPU', () => {
    eachSeed((f) => [migrateOnFault(f, f.device), migrateOnFault(f, f.other), touch(f, FAULT.write)]);
  });
});
