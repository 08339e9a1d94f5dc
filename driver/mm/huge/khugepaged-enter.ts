import { TICKS_PER_MS } from '../../core/clock.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, Shared } from '../../core/observer.js';
import type { Memory } from '../memory.js';
import { type Mm, mmdrop, mmgrab } from '../vmas/mm.js';
import type { Vma } from '../vmas/vma.js';
import { hugepagePmdEnabled, TVA, thpVmaAllowableOrder } from './thp-policy.js';

/** What one turn takes where the knob says that it doesn't sleep: else virtual time would stand still. */
const BUSY_TICKS = TICKS_PER_MS;

export function touchList({ kernel }: Memory, how: number): void {
  kernel.observer?.touch(Shared.khugepaged, 0, how, 1);
}

/** From now on khugepaged looks at the address space of a vma that may have huge pages with `flags`. Linux: mm/khugepaged.c:khugepaged_enter_vma() */
export function khugepagedEnterVma(vma: Vma, flags = vma.flags): void {
  const { mm } = vma;
  if (mm.isInKhugepaged || !hugepagePmdEnabled(mm.memory)) return;
  if (thpVmaAllowableOrder(vma, TVA.enforceSysfs, flags)) khugepagedEnter(mm);
}

/** Linux: mm/khugepaged.c:__khugepaged_enter() */
function khugepagedEnter(mm: Mm): void {
  const { memory } = mm;
  touchList(memory, Access.add);
  mm.isInKhugepaged = true;
  mmgrab(mm);
  memory.khugepaged.mms.push(mm);
  khugepagedWaitWork(memory);
}

/** Linux: include/linux/khugepaged.h:khugepaged_fork() */
export function khugepagedFork(child: Mm, parent: Mm): void {
  if (parent.isInKhugepaged) khugepagedEnter(child);
}

/** The last user of `mm` has gone. Linux: mm/khugepaged.c:__khugepaged_exit() */
export function* khugepagedExit(mm: Mm): Coroutine<void> {
  if (!mm.isInKhugepaged) return;
  const { khugepaged } = mm.memory;
  touchList(mm.memory, Access.add);
  if (khugepaged.mm === mm) {
    // Khugepaged may be at work in it, and takes it off its list itself.
    yield* mm.mmapLock.writeLock();
    mm.mmapLock.writeUnlock();
    return;
  }
  khugepaged.mms.splice(khugepaged.mms.indexOf(mm), 1);
  mmdrop(mm);
}

/** Linux: mm/khugepaged.c:khugepaged_has_work() */
export function khugepagedHasWork(memory: Memory): boolean {
  return memory.khugepaged.mms.length > 0 && hugepagePmdEnabled(memory);
}

/**
 * The task sleeps until its next scan, if there will be anything to do. Linux: mm/khugepaged.c:khugepaged_wait_work()
 *
 * Deviates: the first address space does not wake it at once. On a machine with other programs it is always in one of its sleeps.
 */
export function khugepagedWaitWork(memory: Memory): void {
  const { khugepaged } = memory;
  if (khugepaged.timer === null && !khugepaged.isAtWork && khugepagedHasWork(memory)) {
    khugepaged.beginTurn(true);
    sleepFor(memory, khugepaged.knobs.scanSleepMillisecs);
  }
}

/** A sleep between scans ends now, as one of the lengths of sleeps was written. Linux: part of mm/khugepaged.c:scan_sleep_millisecs_store() */
export function khugepagedWake(memory: Memory): void {
  const { khugepaged, kernel } = memory;
  if (khugepaged.timer === null) return;
  kernel.scheduler.cancelTimer(khugepaged.timer);
  sleepFor(memory, 0);
}

function sleepFor(memory: Memory, millisecs: number): void {
  const { khugepaged, kernel } = memory;
  const { scheduler } = kernel;
  const ticks = Math.max(BUSY_TICKS, millisecs * TICKS_PER_MS);
  khugepaged.timer = scheduler.addDaemonTimer(scheduler.clock.nowTicks + ticks, () => {
    khugepaged.timer = null;
    if (khugepaged.isAtWork) return sleepFor(memory, millisecs);
    khugepaged.task ??= scheduler.newTask('khugepaged');
    scheduler.start(khugepaged.task, khugepaged.doScan(memory), (isOver) => {
      if (isOver) khugepagedWaitWork(memory);
      else sleepFor(memory, khugepaged.knobs.allocSleepMillisecs);
    });
  });
}
