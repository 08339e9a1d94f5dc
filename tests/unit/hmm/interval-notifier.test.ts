import { beforeEach, describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../driver/core/effect.js';
import {
  type IntervalNotifier,
  type IntervalNotifierOps,
  type MmuSubscriptions,
  mmuIntervalCheckRetry,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierRemove,
  mmuIntervalReadBegin,
  mmuIntervalReadRetry,
  mmuIntervalSetSeq,
} from '../../../driver/hmm/interval-notifier.js';
import {
  mmuNotifierInvalidateRangeEnd,
  mmuNotifierInvalidateRangeStart,
  type NotifierRange,
} from '../../../driver/mm/notifier.js';
import type { Mm } from '../../../driver/mm/vmas/mm.js';
import { EAGAIN, EINTR, EINVAL, EOVERFLOW } from '../../../uapi/errno.js';
import { runTask } from '../helpers.js';
import { TestMachine } from '../test-machine.js';

let kernel: TestMachine['kernel'];
let mm: Mm;
let calls: string[];

/** Sets the sequence unless `skip`, and writes down the call. */
function ops(name: string, { skip = false, wouldBlock = false } = {}): IntervalNotifierOps {
  return {
    *invalidate(interval, range, curSeq): Coroutine<boolean> {
      calls.push(`${name} ${range.event} ${curSeq}`);
      if (wouldBlock) return false;
      if (!skip) mmuIntervalSetSeq(interval, curSeq);
      return true;
    },
  };
}

function insert(start: number, length: number, callbacks = ops('a')): IntervalNotifier {
  const result = runTask(kernel, mmuIntervalNotifierInsert(mm, { start, length, ops: callbacks }));
  if (typeof result === 'number') throw new Error(`insert failed with ${result}`);
  return result;
}

function event(start: number, end: number): NotifierRange {
  return { mm, start, end, event: 'CLEAR', owner: null };
}

const start = (range: NotifierRange): number => runTask(kernel, mmuNotifierInvalidateRangeStart(range));
const subscriptions = (): MmuSubscriptions => mm.notifier as MmuSubscriptions;
const readBegin = (interval: IntervalNotifier): number => runTask(kernel, mmuIntervalReadBegin(interval));

beforeEach(() => {
  ({ kernel, mm } = new TestMachine({ listens: false }));
  calls = [];
});

describe('insert', () => {
  it('makes the subscriptions with sequence 2 and gives the interval an odd sequence that is not the current one', () => {
    const interval = insert(0x1000, 0x1000);
    expect(subscriptions().seq).toBe(2);
    expect(interval.invalidateSeq).toBe(1);
    expect(interval.inTree).toBe(true);
    expect(readBegin(interval)).toBe(1);
  });

  it('takes a reference on the mm until it is removed', () => {
    const before = mm.count;
    const interval = insert(0x1000, 0x1000);
    expect(mm.count).toBe(before + 1);
    runTask(kernel, mmuIntervalNotifierRemove(interval));
    expect(mm.count).toBe(before);
  });

  it('refuses an empty and a wrapping range, and a dead mm', () => {
    const result = (first: number, length: number): unknown =>
      runTask(kernel, mmuIntervalNotifierInsert(mm, { start: first, length, ops: ops('a') }));
    expect(result(0x1000, 0)).toBe(-EOVERFLOW);
    expect(result(2 ** 64 - 4096, 8192)).toBe(-EOVERFLOW);
    mm.users = 0;
    expect(result(0, 4096)).toBe(-EINVAL);
  });

  it('is interrupted at the first subscription of an mm by a pending signal', () => {
    const task = kernel.scheduler.newTask('killed');
    task.killed = true;
    let result: unknown;
    kernel.scheduler.start(task, mmuIntervalNotifierInsert(mm, { start: 0, length: 1, ops: ops('a') }), (value) => {
      result = value;
    });
    kernel.scheduler.run();
    expect(result).toBe(-EINTR);
    expect(mm.notifier).toBeNull();
  });

  it('during an invalidation that touched nothing: makes the sequence odd, goes in the tree, and readers wait', () => {
    insert(0x1000, 0x1000);
    start(event(0x9000, 0xa000));
    expect(subscriptions().seq).toBe(2);
    const late = insert(0x9000, 0x1000);
    expect(subscriptions().seq).toBe(3);
    expect(late.invalidateSeq).toBe(3);
    expect(late.inTree).toBe(true);
    mmuNotifierInvalidateRangeEnd(event(0x9000, 0xa000)).next();
    expect(subscriptions().seq).toBe(4);
    expect(readBegin(late)).toBe(3);
  });

  it('during an invalidation that touched an interval: is deferred to its end', () => {
    insert(0x1000, 0x1000);
    start(event(0x1000, 0x2000));
    const late = insert(0x9000, 0x1000);
    expect(late.inTree).toBe(false);
    expect(late.invalidateSeq).toBe(3);
    mmuNotifierInvalidateRangeEnd(event(0x1000, 0x2000)).next();
    expect(late.inTree).toBe(true);
    expect(subscriptions().deferred).toEqual([]);
  });
});

describe('invalidate', () => {
  it('calls every overlapping interval with the odd sequence, in order of their starts', () => {
    insert(0x5000, 0x1000, ops('b'));
    insert(0x1000, 0x1000, ops('a'));
    insert(0x9000, 0x1000, ops('c'));
    start(event(0x1fff, 0x5001));
    expect(calls).toEqual(['a CLEAR 3', 'b CLEAR 3']);
  });

  it('leaves the sequence alone when nothing overlaps', () => {
    const interval = insert(0x1000, 0x1000);
    start(event(0x2000, 0x3000));
    expect(calls).toEqual([]);
    expect(subscriptions().active).toBe(1);
    mmuNotifierInvalidateRangeEnd(event(0x2000, 0x3000)).next();
    expect(subscriptions().seq).toBe(2);
    expect(mmuIntervalCheckRetry(interval, 1)).toBe(false);
  });

  it('keeps the sequence odd until the last of several invalidations ends', () => {
    insert(0x1000, 0x2000);
    start(event(0x1000, 0x2000));
    start(event(0x2000, 0x3000));
    expect(calls).toEqual(['a CLEAR 3', 'a CLEAR 3']);
    mmuNotifierInvalidateRangeEnd(event(0x2000, 0x3000)).next();
    expect(subscriptions().seq).toBe(3);
    mmuNotifierInvalidateRangeEnd(event(0x1000, 0x2000)).next();
    expect(subscriptions().seq).toBe(4);
  });

  it('makes a reader retry, unless the callback skipped', () => {
    const a = insert(0x1000, 0x1000, ops('a'));
    const b = insert(0x1000, 0x1000, ops('b', { skip: true }));
    const [seqA, seqB] = [readBegin(a), readBegin(b)];
    start(event(0x1000, 0x2000));
    mmuNotifierInvalidateRangeEnd(event(0x1000, 0x2000)).next();
    expect(mmuIntervalReadRetry(a, seqA)).toBe(true);
    expect(mmuIntervalCheckRetry(a, seqA)).toBe(true);
    expect(mmuIntervalReadRetry(b, seqB)).toBe(false);
  });

  it('ends on the spot with -EAGAIN when the invalidator can not block and a callback would', () => {
    insert(0x1000, 0x1000, ops('a', { wouldBlock: true }));
    insert(0x1000, 0x1000, ops('b'));
    const range = { ...event(0x1000, 0x2000), blockable: false };
    expect(start(range)).toBe(-EAGAIN);
    expect(calls).toEqual(['a CLEAR 3']);
    expect(subscriptions().active).toBe(0);
    expect(subscriptions().seq).toBe(4);
  });

  it('tells everybody of the death of the mm, after which inserts fail', () => {
    insert(0x1000, 0x1000, ops('a'));
    insert(2 ** 46, 0x1000, ops('b'));
    mm.users = 0;
    runTask(kernel, subscriptions().release(mm));
    expect(calls).toEqual(['a RELEASE 3', 'b RELEASE 3']);
    expect(subscriptions().seq).toBe(4);
    expect(runTask(kernel, mmuIntervalNotifierInsert(mm, { start: 0, length: 1, ops: ops('c') }))).toBe(-EINVAL);
  });
});

describe('waits', () => {
  it('read_begin sleeps until the invalidation of its interval ends', () => {
    const interval = insert(0x1000, 0x1000);
    start(event(0x1000, 0x2000));
    let seq = 0;
    kernel.scheduler.start(kernel.scheduler.newTask('reader'), mmuIntervalReadBegin(interval), (value) => {
      seq = value;
    });
    expect(kernel.scheduler.run().reason).toBe('deadlock');
    mmuNotifierInvalidateRangeEnd(event(0x1000, 0x2000)).next();
    expect(kernel.scheduler.run().reason).toBe('idle');
    expect(seq).toBe(3);
    expect(mmuIntervalReadRetry(interval, seq)).toBe(false);
  });

  it('read_begin does not wait for an invalidation that its callback skipped', () => {
    const interval = insert(0x1000, 0x1000, ops('a', { skip: true }));
    start(event(0x1000, 0x2000));
    expect(readBegin(interval)).toBe(1);
  });

  it('remove sleeps until a running invalidation can not use the interval any more', () => {
    const interval = insert(0x1000, 0x1000);
    start(event(0x1000, 0x2000));
    let isRemoved = false;
    kernel.scheduler.start(kernel.scheduler.newTask('remover'), mmuIntervalNotifierRemove(interval), () => {
      isRemoved = true;
    });
    kernel.scheduler.run();
    expect(isRemoved).toBe(false);
    mmuNotifierInvalidateRangeEnd(event(0x1000, 0x2000)).next();
    expect(interval.inTree).toBe(false);
    kernel.scheduler.run();
    expect(isRemoved).toBe(true);
  });

  it('remove of a deferred insert takes it off the list at once', () => {
    insert(0x1000, 0x1000);
    start(event(0x1000, 0x2000));
    const late = insert(0x1000, 0x1000, ops('late'));
    runTask(kernel, mmuIntervalNotifierRemove(late));
    expect(subscriptions().deferred).toEqual([]);
    mmuNotifierInvalidateRangeEnd(event(0x1000, 0x2000)).next();
    expect(subscriptions().tree.length).toBe(1);
  });
});
