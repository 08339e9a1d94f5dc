import { EAGAIN, EFAULT, EINTR, ETIMEDOUT } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { WaitQueue } from '../../core/wait-queue.js';
import { copyFromUser } from '../../mm/faults/access.js';
import type { Mm } from '../../mm/vmas/mm.js';
import { waitEventInterruptibleTimeout } from './interruptible.js';
import type { Thread } from './thread.js';

export const FUTEX_BITSET_MATCH_ANY = 0xffffffff;

interface Waiter {
  key: string;
  readonly bitset: number;
  readonly queue: WaitQueue;
  isWoken: boolean;
}

export interface FutexWait {
  readonly addr: number;
  /** The word must still hold it. */
  readonly value: number;
  readonly bitset: number;
  /** Virtual microseconds; null: for ever. */
  readonly deadline: number | null;
}

export interface FutexRequeue {
  readonly from: number;
  readonly to: number;
  readonly wake: number;
  readonly move: number;
}

/** Waiters on words of memory, machine wide. Linux: kernel/futex/ */
export class FutexTable {
  private readonly waiters = new Map<string, Waiter[]>();

  reset(): void {
    this.waiters.clear();
  }

  /**
   * 0 once woken; -EAGAIN when the word holds something else; -ETIMEDOUT, -EINTR, -EFAULT. Between the load of the word
   * and the sleep is no scheduling point. Linux: kernel/futex/waitwake.c:futex_wait()
   */
  *futexWait(thread: Thread, { addr, value, bitset, deadline }: FutexWait): Coroutine<number> {
    const { mm } = thread.process;
    const word = new Uint8Array(4);
    if ((yield* copyFromUser(mm, addr, word)) !== 0) return -EFAULT;
    if (new DataView(word.buffer).getUint32(0, true) !== value >>> 0) return -EAGAIN;
    const queue = new WaitQueue(`futex 0x${addr.toString(16)}`);
    const waiter: Waiter = { key: getFutexKey(mm, addr), bitset, queue, isWoken: false };
    this.add(waiter);
    const end = yield* waitEventInterruptibleTimeout(thread, queue, deadline);
    if (waiter.isWoken) return 0;
    this.remove(waiter);
    return end === 'timeout' ? -ETIMEDOUT : -EINTR;
  }

  /** How many of at most `count` waiters have been woken. Linux: kernel/futex/waitwake.c:futex_wake() */
  futexWake(mm: Mm, addr: number, { count, bitset }: { count: number; bitset: number }): number {
    const waiting = this.waiters.get(getFutexKey(mm, addr)) ?? [];
    const chosen = waiting.filter((waiter) => (waiter.bitset & bitset) !== 0).slice(0, Math.max(0, count));
    for (const waiter of chosen) {
      this.remove(waiter);
      waiter.isWoken = true;
      waiter.queue.wakeAll();
    }
    return chosen.length;
  }

  /** Wakes some and lets others wait at `to`; how many of both. Linux: kernel/futex/requeue.c:futex_requeue() */
  futexRequeue(mm: Mm, { from, to, wake, move }: FutexRequeue): { woken: number; moved: number } {
    const woken = this.futexWake(mm, from, { count: wake, bitset: FUTEX_BITSET_MATCH_ANY });
    const moving = [...(this.waiters.get(getFutexKey(mm, from)) ?? [])].slice(0, Math.max(0, move));
    for (const waiter of moving) {
      this.remove(waiter);
      waiter.key = getFutexKey(mm, to);
      this.add(waiter);
    }
    return { woken, moved: moving.length };
  }

  private add(waiter: Waiter): void {
    const waiting = this.waiters.get(waiter.key);
    if (waiting === undefined) this.waiters.set(waiter.key, [waiter]);
    else waiting.push(waiter);
  }

  private remove(waiter: Waiter): void {
    const waiting = this.waiters.get(waiter.key);
    const at = waiting?.indexOf(waiter) ?? -1;
    if (waiting === undefined || at < 0) return;
    waiting.splice(at, 1);
    if (waiting.length === 0) this.waiters.delete(waiter.key);
  }
}

/** A word in shared memory is known by its place in the file, any other by its address. Linux: kernel/futex/core.c:get_futex_key() */
function getFutexKey(mm: Mm, addr: number): string {
  const vma = mm.vmaLookup(addr);
  const mapping = vma?.isShared ? vma.file?.mapping : null;
  if (vma === null || mapping == null) return `${mm.id}:${addr}`;
  return `file${mapping.id}:${vma.pgoff * 4096 + (addr - vma.start)}`;
}
