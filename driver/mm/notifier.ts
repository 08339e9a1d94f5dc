import { assert } from '../core/assert.js';
import { type Coroutine, FINE } from '../core/effect.js';
import type { Mm } from './vmas/mm.js';

/** Why an address range is being invalidated. Linux: enum mmu_notifier_event */
export const NOTIFIER_EVENTS = [
  'UNMAP',
  'CLEAR',
  'PROTECTION_VMA',
  'PROTECTION_PAGE',
  'SOFT_DIRTY',
  'RELEASE',
  'MIGRATE',
  'EXCLUSIVE',
] as const;
type NotifierEvent = (typeof NOTIFIER_EVENTS)[number];

/** Linux: struct mmu_notifier_range. `owner` is the pgmap owner of MIGRATE and EXCLUSIVE events, null without. */
export interface NotifierRange {
  readonly mm: Mm;
  readonly start: number;
  readonly end: number;
  readonly event: NotifierEvent;
  readonly owner: object | null;
}

/** The MMU notifier subscriptions of an address space; driver/hmm puts one on `Mm.notifier` with the first insert. */
export interface MmuNotifierOps {
  /** Callbacks run before the entries change. 0, or -EAGAIN from a non-blockable one. */
  invalidateRangeStart(range: NotifierRange): Coroutine<number>;
  /** Must follow every start that returned 0, after the entries have changed. */
  invalidateRangeEnd(range: NotifierRange): void;
  /** The address space dies: event RELEASE over everything. */
  release(mm: Mm): Coroutine<void>;
}

/**
 * Tells every subscriber of `range.mm` before entries change. May sleep.
 * Linux: include/linux/mmu_notifier.h:mmu_notifier_invalidate_range_start()
 */
export function* mmuNotifierInvalidateRangeStart(range: NotifierRange): Coroutine<number> {
  range.mm.memory.kernel.mightSleep();
  assert(range.start < range.end, 'a notifier is told of an empty range');
  const { mm } = range;
  const { kernel } = mm.memory;
  if (kernel.trace.verbose) {
    const { event, owner, start, end } = range;
    kernel.emit('notifier', { event, owned: owner !== null, start, end });
  }
  // Whoever registers holds all locks under which somebody may come here. Linux: mm/vma.c:mm_take_all_locks()
  if (mm.notifier === null) return 0;
  const ret = yield* mm.notifier.invalidateRangeStart(range);
  if (kernel.scheduler.isFine) yield FINE.notifier;
  return ret;
}

/** Linux: include/linux/mmu_notifier.h:mmu_notifier_invalidate_range_end() */
export function* mmuNotifierInvalidateRangeEnd(range: NotifierRange): Coroutine<void> {
  const { notifier, memory } = range.mm;
  if (notifier === null) return;
  if (memory.kernel.scheduler.isFine) yield FINE.notifier;
  notifier.invalidateRangeEnd(range);
}
