import type { Coroutine } from '../core/effect.js';
import { InjectPoint } from '../inject/inject-points.js';
import { folioGet, folioPut } from '../mm/frames/folio.js';
import { GUP_PIN_COUNTING_BIAS, PAGE_SIZE } from '../mm/frames/frames.js';
import { unpinUserPage } from '../mm/frames/pin.js';
import type { Memory } from '../mm/memory.js';
import { mmuNotifierInvalidateRangeEnd, mmuNotifierInvalidateRangeStart, type NotifierRange } from '../mm/notifier.js';
import type { Mm } from '../mm/vmas/mm.js';
import type { AtomicNotifierRange } from './interval-notifier.js';

// What others do to a migration at its injection points. Called only while a plan is armed.

/** Somebody pins the page until the running call ends. */
export function injectPin(memory: Memory, pfn: number): void {
  const { inject } = memory.kernel;
  if (inject.hit(InjectPoint.extraPin) === 0) return;
  const head = memory.frames.head(pfn);
  folioGet(memory, pfn, memory.frames.order(head) > 0 ? 1 : GUP_PIN_COUNTING_BIAS);
  memory.frames.addPincount(head, 1);
  inject.context?.atEnd.push(() => unpinUserPage(memory, pfn, 1));
}

/** Somebody takes a reference to the page until the running call ends. */
export function* injectReference(memory: Memory, pfn: number): Coroutine<void> {
  const { inject } = memory.kernel;
  if (inject.isQuiet(InjectPoint.extraReference) || (yield* inject.reach(InjectPoint.extraReference)) === 0) return;
  folioGet(memory, pfn);
  inject.context?.atEnd.push(() => folioPut(memory, pfn));
}

/** The entry at `addr` is cleared and faulted again by somebody: an invalidation arrives. */
export function* injectInvalidate(mm: Mm, addr: number): Coroutine<void> {
  const { inject } = mm.memory.kernel;
  const { notifierInvalidate, notifierNonblock } = InjectPoint;
  if (!inject.isQuiet(notifierInvalidate, addr) && (yield* inject.reach(notifierInvalidate, addr)) !== 0)
    yield* invalidateNow(mm, addr);
  if (inject.isQuiet(notifierNonblock, addr) || (yield* inject.reach(notifierNonblock, addr)) === 0) return;
  inject.refusesMutex = true;
  yield* invalidateNow(mm, addr, true);
  inject.refusesMutex = false;
}

function* invalidateNow(mm: Mm, addr: number, isAtomic = false): Coroutine<void> {
  const range: NotifierRange = { mm, start: addr, end: addr + PAGE_SIZE, event: 'CLEAR', owner: null };
  const atomic: AtomicNotifierRange = { ...range, blockable: false };
  const error = yield* mmuNotifierInvalidateRangeStart(isAtomic ? atomic : range);
  if (error === 0) yield* mmuNotifierInvalidateRangeEnd(range);
}
