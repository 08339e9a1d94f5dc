import { describe, expect, it } from 'vitest';
import { type Coroutine, preemptPoint } from '../../../driver/core/effect.js';
import { Footprints } from '../../../driver/core/footprint.js';
import type { Kernel } from '../../../driver/core/kernel.js';
import { LockClass } from '../../../driver/core/lock-class.js';
import { Mutex, RwSem } from '../../../driver/core/locks.js';
import { Access, entryId, Shared, spaceAndPage } from '../../../driver/core/observer.js';
import { WaitQueue } from '../../../driver/core/wait-queue.js';
import { testKernel } from '../helpers.js';

const POINT = preemptPoint('test');

/** Runs the coroutines as tasks 1, 2, ... and answers the steps of each. */
function observe(kernel: Kernel, coroutines: readonly Coroutine<void>[]) {
  const footprints = new Footprints();
  kernel.observe(footprints);
  for (const coroutine of coroutines)
    kernel.scheduler.start(kernel.scheduler.newTask('test'), coroutine, () => undefined);
  kernel.scheduler.run();
  kernel.observe(null);
  const stepsOf = (task: number) =>
    Array.from({ length: footprints.steps }, (_, step) => step).filter((step) => footprints.taskOf[step] === task);
  return { footprints, stepsOf };
}

/** Does any step of one task conflict with any of the other? */
function isRace({ footprints, stepsOf }: ReturnType<typeof observe>): boolean {
  return stepsOf(1).some((a) => stepsOf(2).some((b) => footprints.conflict(a, b)));
}

function* locked(mutex: Mutex): Coroutine<void> {
  yield* mutex.lock();
  yield POINT;
  mutex.unlock();
}

function* read(sem: RwSem): Coroutine<void> {
  yield* sem.readLock();
  yield POINT;
  sem.readUnlock();
}

function* write(sem: RwSem): Coroutine<void> {
  yield* sem.writeLock();
  sem.writeUnlock();
}

describe('footprints of two racing tasks', () => {
  it('conflict on one mutex and not on two', () => {
    const kernel = testKernel();
    const [a, b] = ['a', 'b'].map((name) => new Mutex(kernel, LockClass.dmirrorMutex, name)) as [Mutex, Mutex];
    expect(isRace(observe(kernel, [locked(a), locked(a)]))).toBe(true);
    expect(isRace(observe(kernel, [locked(a), locked(b)]))).toBe(false);
  });

  it('conflict between a reader and a writer of a semaphore, not between readers', () => {
    const kernel = testKernel();
    const sem = new RwSem(kernel, LockClass.mmapLock, 's');
    expect(isRace(observe(kernel, [read(sem), read(sem)]))).toBe(false);
    const kernel2 = testKernel();
    const other = new RwSem(kernel2, LockClass.mmapLock, 's');
    expect(isRace(observe(kernel2, [read(other), write(other)]))).toBe(true);
  });

  it('conflict between who waits and who wakes', () => {
    const kernel = testKernel();
    const queue = new WaitQueue('an event');
    function* waiter(): Coroutine<void> {
      yield queue;
    }
    function* waker(): Coroutine<void> {
      yield POINT;
      queue.wakeAll();
    }
    expect(isRace(observe(kernel, [waiter(), waker()]))).toBe(true);
  });
});

describe('Footprints', () => {
  const taskOf = (kernel: Kernel) => kernel.scheduler.newTask('test');

  it('keeps one row an object and step, with the bits of all accesses', () => {
    const task = taskOf(testKernel());
    const log = new Footprints();
    log.touch(Shared.pte, 7, Access.write, 1);
    log.stepBegins(task);
    for (let n = 0; n < 3; n++) log.touch(Shared.pte, 7, n === 0 ? Access.read | Access.lockless : Access.write, 1);
    log.touch(Shared.pmd, 7, Access.read, 1);
    log.stepEnds(task, null);
    expect(log.textOf(0)).toEqual(['read write lockless pte 7', 'read pmd 7']);
  });

  it('finds conflicts of ranges, of any number of objects', () => {
    const task = taskOf(testKernel());
    const log = new Footprints();
    const steps = [
      () => log.touch(Shared.pte, 512, Access.write, 512),
      () => log.touch(Shared.pte, 1023, Access.read, 1),
      () => log.touch(Shared.pte, 1024, Access.read, 1),
      () => {
        for (let i = 0; i < 20_000; i++) log.touch(Shared.content, i, Access.read, 1);
      },
      () => log.touch(Shared.content, 19_999, Access.write, 1),
    ];
    for (const step of steps) {
      log.stepBegins(task);
      step();
      log.stepEnds(task, null);
    }
    const conflicts = steps.flatMap((_, a) => steps.flatMap((_, b) => (a < b && log.conflict(a, b) ? [[a, b]] : [])));
    expect(conflicts).toEqual([
      [0, 1],
      [3, 4],
    ]);
    expect(log.rows).toBe(20_004);
    log.clear();
    expect([log.steps, log.rows]).toEqual([0, 0]);
  });

  it('goes on after a step that threw', () => {
    const task = taskOf(testKernel());
    const log = new Footprints();
    log.stepBegins(task);
    log.touch(Shared.pte, 1, Access.read, 1);
    log.stepBegins(task);
    log.stepEnds(task, null);
    expect([log.textOf(0), log.textOf(1)]).toEqual([['read pte 1'], []]);
  });
});

it('joins an address space and a page to one id and takes them apart', () => {
  for (const [space, vpn] of [
    [1, 0],
    [3, 2 ** 35 - 1],
    [2 ** 18 - 1, 12345],
  ] as const)
    expect(spaceAndPage(entryId(space, vpn))).toEqual({ space, vpn });
});
