import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../driver/core/effect.js';
import { preemptPoint } from '../../../driver/core/effect.js';
import { LockClass } from '../../../driver/core/lock-class.js';
import { Mutex, RwSem } from '../../../driver/core/locks.js';
import { WaitQueue } from '../../../driver/core/wait-queue.js';
import { runAll, runTask, testKernel } from '../helpers.js';

const POINT = preemptPoint('test');

describe('Mutex', () => {
  it('lets one task in at a time, in order of coming', () => {
    const kernel = testKernel();
    const mutex = new Mutex(kernel, LockClass.dmirrorMutex, 'm');
    const log: string[] = [];
    function* worker(name: string): Coroutine<void> {
      yield* mutex.lock();
      log.push(`${name} in`);
      yield POINT;
      log.push(`${name} out`);
      mutex.unlock();
    }
    expect(runAll(kernel, [worker('a'), worker('b'), worker('c')]).reason).toBe('idle');
    expect(log).toEqual(['a in', 'a out', 'b in', 'b out', 'c in', 'c out']);
  });

  it('allows a trylock out of order, and stops a livelock at the step limit', () => {
    const kernel = testKernel();
    const a = new Mutex(kernel, LockClass.gupTestMutex, 'a');
    const b = new Mutex(kernel, LockClass.devmemLock, 'b');
    function* outerFirst(): Coroutine<void> {
      yield* a.lock();
      yield POINT;
      yield* b.lock();
      b.unlock();
      a.unlock();
    }
    function* innerFirst(): Coroutine<void> {
      yield* b.lock();
      yield POINT;
      while (!a.tryLock()) yield POINT;
    }
    kernel.scheduler.stepLimit = 100;
    expect(runAll(kernel, [outerFirst(), innerFirst()]).reason).toBe('step-limit');
  });

  it('refuses an inner lock before an outer one even when nobody else wants them', () => {
    const kernel = testKernel();
    const inner = new Mutex(kernel, LockClass.dmirrorMutex, 'inner');
    const outer = new RwSem(kernel, LockClass.mmapLock, 'outer');
    function* wrong(): Coroutine<void> {
      yield* inner.lock();
      yield* outer.readLock();
    }
    expect(() => runTask(kernel, wrong())).toThrow(
      'lock order: task test wants mmap_lock while it holds dmirror_mutex',
    );
  });

  it('finds a lock that is still held at return to user', () => {
    const kernel = testKernel();
    const mutex = new Mutex(kernel, LockClass.dmirrorMutex, 'm');
    expect(() => runTask(kernel, mutex.lock())).toThrow('task test returns to user holding dmirror_mutex');
  });

  it('finds an unlock by another task', () => {
    const kernel = testKernel();
    const mutex = new Mutex(kernel, LockClass.dmirrorMutex, 'm');
    function* holder(): Coroutine<void> {
      yield* mutex.lock();
      yield POINT;
      mutex.unlock();
    }
    function* thief(): Coroutine<void> {
      mutex.unlock();
      yield POINT;
    }
    expect(() => runAll(kernel, [holder(), thief()])).toThrow('m is unlocked by a task that does not own it');
  });

  it('finds a task that sleeps with a spin lock', () => {
    const kernel = testKernel();
    function* sleeper(): Coroutine<void> {
      kernel.lockAcquired(LockClass.ptl, 'ptl');
      yield POINT;
      kernel.lockReleased(LockClass.ptl, 'ptl');
    }
    expect(() => runTask(kernel, sleeper())).toThrow('task test sleeps in atomic context holding ptl');
  });
});

describe('RwSem', () => {
  it('shares readers, and holds new readers back while a writer waits', () => {
    const kernel = testKernel();
    const sem = new RwSem(kernel, LockClass.mmapLock, 's');
    const log: string[] = [];
    function* reader(name: string): Coroutine<void> {
      yield* sem.readLock();
      log.push(`${name} reads`);
      for (let i = 0; i < 3; i++) yield POINT;
      sem.readUnlock();
    }
    function* writer(): Coroutine<void> {
      yield* sem.writeLock();
      log.push('writes');
      sem.writeUnlock();
    }
    expect(runAll(kernel, [reader('r1'), reader('r2'), writer(), reader('r3')]).reason).toBe('idle');
    expect(log).toEqual(['r1 reads', 'r2 reads', 'writes', 'r3 reads']);
  });

  it('reports a deadlock with the owner and what it holds', () => {
    const kernel = testKernel();
    const sem = new RwSem(kernel, LockClass.mmapLock, 's');
    const mutex = new Mutex(kernel, LockClass.devmemLock, 'm');
    function* owner(): Coroutine<void> {
      yield* mutex.lock();
      for (let i = 0; i < 5; i++) yield POINT;
      yield new WaitQueue('an event that never comes');
    }
    function* waiter(): Coroutine<void> {
      yield* sem.readLock();
      yield* mutex.lock();
    }
    const result = runAll(kernel, [owner(), waiter()]);
    expect(result.reason).toBe('deadlock');
    expect(result.blocked.find((b) => b.task === 't2')).toMatchObject({
      task: 't2',
      waitsFor: 'm',
      ownedBy: 't1',
      holds: ['mmap_lock'],
    });
  });
});
