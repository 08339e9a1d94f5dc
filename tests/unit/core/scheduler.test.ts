import { describe, expect, it } from 'vitest';
import { type Coroutine, preemptPoint } from '../../../driver/core/effect.js';
import { Kernel } from '../../../driver/core/kernel.js';
import { LockClass } from '../../../driver/core/lock-class.js';
import { Mutex, RwSem } from '../../../driver/core/locks.js';
import { Access, Shared } from '../../../driver/core/observer.js';
import { END_RUN, RoundRobin, type SchedulerPolicy, SeededRandom } from '../../../driver/core/policy.js';
import type { DueEvent } from '../../../driver/core/scheduler.js';
import { WaitQueue } from '../../../driver/core/wait-queue.js';
import { runAll, runTask, testKernel } from '../helpers.js';

const POINT = preemptPoint('test');

/** A kernel whose policy is round robin but for what is given. */
function kernelWith(policy: Partial<SchedulerPolicy>): Kernel {
  return new Kernel(Object.assign(new RoundRobin(), policy), 1, 10_000);
}

describe('Scheduler', () => {
  it('repeats a random schedule from its seed, and gives another one for another seed', () => {
    const order = (seed: number): string => {
      const kernel = new Kernel(new SeededRandom(seed), seed, 10_000);
      let log = '';
      function* worker(name: string): Coroutine<void> {
        for (let i = 0; i < 8; i++) {
          log += name;
          yield POINT;
        }
      }
      runAll(kernel, [worker('a'), worker('b'), worker('c')]);
      return log;
    };
    expect(order(7)).toBe(order(7));
    expect(order(7)).not.toBe(order(8));
  });

  it('moves virtual time to the next timer when nothing else can run', () => {
    const kernel = testKernel();
    function* sleeper(): Coroutine<number> {
      yield { kind: 'sleep', ticks: 5_000 };
      return kernel.scheduler.clock.nowTicks;
    }
    expect(runTask(kernel, sleeper())).toBeGreaterThanOrEqual(5_000);
  });

  it('stops at the step limit and can go on', () => {
    const kernel = testKernel();
    kernel.scheduler.stepLimit = 10;
    let rounds = 0;
    function* worker(): Coroutine<void> {
      for (; rounds < 15; rounds++) yield POINT;
    }
    expect(runAll(kernel, [worker()]).reason).toBe('step-limit');
    expect(kernel.scheduler.run().reason).toBe('idle');
    expect(rounds).toBe(15);
  });

  it('stops within a few steps when it is over, gets on each time, and can go on', () => {
    const kernel = testKernel();
    let isOver = false;
    kernel.scheduler.isOver = () => isOver;
    let rounds = 0;
    function* worker(): Coroutine<void> {
      for (; rounds < 50; rounds++) {
        if (rounds === 20) isOver = true;
        yield POINT;
      }
    }
    expect(runAll(kernel, [worker()]).reason).toBe('step-limit');
    expect(rounds).toBeGreaterThanOrEqual(20);
    expect(rounds).toBeLessThan(25);
    let runs = 0;
    for (let before = -1; kernel.scheduler.run().reason === 'step-limit'; runs++) {
      expect(rounds).toBeGreaterThan(before);
      before = rounds;
    }
    expect(runs).toBeGreaterThan(1);
    expect(rounds).toBe(50);
  });
});

describe('a policy that is given', () => {
  it('sees every task that can run, a single one too, with the point it stopped at and the lock it takes', () => {
    const seen: string[] = [];
    const kernel = kernelWith({
      pick(runnable) {
        const shown = runnable.map(({ name, next, takes }) => {
          const at = next === null ? 'begins' : next.kind === 'preempt' ? next.at : next.kind;
          return `${name} ${at}${takes?.kind === Shared.lock ? ` ${takes.access === Access.read ? 'R' : 'W'}` : ''}`;
        });
        seen.push(shown.join(', '));
        return 0;
      },
    });
    const sem = new RwSem(kernel, LockClass.mmapLock, 's');
    function* reader(): Coroutine<void> {
      yield* sem.readLock();
      yield POINT;
      sem.readUnlock();
    }
    function* writer(): Coroutine<void> {
      yield* sem.writeLock();
      sem.writeUnlock();
    }
    expect(runAll(kernel, [reader(), writer()]).reason).toBe('idle');
    expect(seen).toEqual([
      't1 begins, t2 begins',
      't2 begins, t1 s:read R',
      't1 s:read R, t2 s:write W',
      't2 s:write W, t1 test',
      't1 test',
      't2 wait W',
    ]);
  });

  it('may end the run, which can be continued', () => {
    let picks = 0;
    const kernel = kernelWith({ pick: () => (++picks === 3 ? END_RUN : 0) });
    function* worker(): Coroutine<void> {
      for (let i = 0; i < 4; i++) yield POINT;
    }
    expect(runAll(kernel, [worker()])).toMatchObject({ reason: 'ended', steps: 2 });
    expect(kernel.scheduler.run()).toMatchObject({ reason: 'idle', steps: 3 });
  });

  it('says whom a mutex wakes', () => {
    const order = (policy: Partial<SchedulerPolicy>): string[] => {
      const kernel = kernelWith(policy);
      const mutex = new Mutex(kernel, LockClass.dmirrorMutex, 'm');
      const log: string[] = [];
      function* worker(name: string): Coroutine<void> {
        yield* mutex.lock();
        log.push(name);
        for (let i = 0; i < 6; i++) yield POINT;
        mutex.unlock();
      }
      expect(runAll(kernel, [worker('a'), worker('b'), worker('c')]).reason).toBe('idle');
      return log;
    };
    expect(order({})).toEqual(['a', 'b', 'c']);
    expect(order({ wake: (waiters) => waiters.length - 1 })).toEqual(['a', 'c', 'b']);
  });

  it('says whether an rw_semaphore goes to readers that wait or to a writer', () => {
    const order = (policy: Partial<SchedulerPolicy>): string[] => {
      const kernel = kernelWith(policy);
      const sem = new RwSem(kernel, LockClass.mmapLock, 's');
      const log: string[] = [];
      function* worker(name: string): Coroutine<void> {
        yield* name.startsWith('w') ? sem.writeLock() : sem.readLock();
        log.push(name);
        for (let i = 0; i < 6; i++) yield POINT;
        if (name.startsWith('w')) sem.writeUnlock();
        else sem.readUnlock();
      }
      expect(runAll(kernel, [worker('w1'), worker('r1'), worker('w2'), worker('r2')]).reason).toBe('idle');
      return log;
    };
    expect(order({})).toEqual(['w1', 'w2', 'r1', 'r2']);
    expect(order({ wake: () => 0 })).toEqual(['w1', 'r1', 'r2', 'w2']);
  });

  it('says which of the sleeps and timers of one tick ends first', () => {
    const order = (policy: Partial<SchedulerPolicy>): string[] => {
      const kernel = kernelWith(policy);
      const log: string[] = [];
      kernel.scheduler.addTimer(100, () => log.push('timer'));
      function* sleeper(name: string, until: number): Coroutine<void> {
        yield { kind: 'sleep', ticks: until - kernel.scheduler.clock.nowTicks };
        log.push(name);
      }
      runAll(kernel, [sleeper('a', 100), sleeper('b', 100), sleeper('last', 200)]);
      return log;
    };
    expect(order({})).toEqual(['a', 'b', 'timer', 'last']);
    expect(order({ due: (events) => events.length - 1 })).toEqual(['timer', 'b', 'a', 'last']);
  });

  it('may wake a sleeper whose time has come though others run; without a say it sleeps until nobody does', () => {
    const rounds = (policy: Partial<SchedulerPolicy>): number => {
      const kernel = kernelWith(policy);
      let done = 0;
      let atWake = -1;
      function* sleeper(): Coroutine<void> {
        yield { kind: 'sleep', ticks: 10 };
        atWake = done;
      }
      function* worker(): Coroutine<void> {
        for (; done < 50; done++) yield POINT;
      }
      runAll(kernel, [sleeper(), worker()]);
      return atWake;
    };
    expect(rounds({})).toBe(50);
    expect(rounds({ due: () => 0 })).toBeLessThan(15);
    let asked = 0;
    const late = rounds({ due: (_, runnable) => (runnable.length > 0 && asked++ < 20 ? -1 : 0) });
    expect(late).toBeGreaterThan(20);
  });

  it('decides about timers in the time of a program that computes', () => {
    const fired: string[] = [];
    const seen: number[] = [];
    const due = (events: readonly DueEvent[]): number => {
      seen.push(events.length);
      return events.length - 1;
    };
    const kernel = kernelWith({ due });
    for (const name of ['x', 'y']) kernel.scheduler.addTimer(10, () => fired.push(name));
    kernel.scheduler.advance(20);
    expect([fired, seen]).toEqual([
      ['y', 'x'],
      [2, 1],
    ]);
  });

  it.each([5, -2])('is told when it answers %i, which is nobody', (answer) => {
    const kernel = kernelWith({ pick: () => answer });
    function* worker(): Coroutine<void> {}
    expect(() => runAll(kernel, [worker()])).toThrow(`the policy picked ${answer} of 1 tasks`);
  });
});

describe('a task that waits', () => {
  it('is taken out of a queue, or out of its sleep, by an interrupt', () => {
    const kernel = testKernel();
    const queue = new WaitQueue('nothing that comes');
    const log: string[] = [];
    function* waiter(): Coroutine<void> {
      yield queue;
      log.push('queue');
      yield { kind: 'sleep', ticks: 1e6 };
      log.push(`sleep ${kernel.scheduler.clock.nowTicks < 1e6}`);
    }
    const task = kernel.scheduler.newTask('waiter');
    kernel.scheduler.start(task, waiter(), () => {});
    expect(kernel.scheduler.run().blocked).toMatchObject([
      { task: 'waiter', waitsFor: 'nothing that comes', waitsForCall: true, ownedBy: null, holds: [] },
    ]);
    kernel.scheduler.interrupt(task);
    expect(queue.waiters).toEqual([]);
    function* other(): Coroutine<void> {
      yield POINT;
      yield POINT;
      kernel.scheduler.interrupt(task);
    }
    expect(runAll(kernel, [other()]).reason).toBe('idle');
    expect(log).toEqual(['queue', 'sleep true']);
  });

  it('alone passes scheduling points only where whoever runs it wants control back', () => {
    const kernel = testKernel();
    const points = (): number => {
      let count = 0;
      function* worker(): Coroutine<void> {
        for (let i = 0; i < 5; i++) {
          if (!kernel.scheduler.contended) continue;
          count++;
          yield POINT;
        }
      }
      runTask(kernel, worker());
      return count;
    };
    expect(points()).toBe(0);
    kernel.scheduler.isPreemptive = true;
    expect(points()).toBe(5);
  });
});
