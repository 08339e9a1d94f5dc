import { ENOMEM } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import { FOLL } from '../faults/foll.js';
import type { Memory } from '../memory.js';
import { folioPut } from './folio.js';
import { ZERO_PFN } from './frame-allocator.js';
import { GUP_PIN_COUNTING_BIAS } from './frames.js';

/** Where GUP leaves pfns: from index `at` of the caller's on, in the order of addresses. */
export type PfnList = number[] | Uint32Array;

/**
 * Takes `refs` references or pins, as `flags` say, on the folio of `pfn`; neither flag takes nothing. 0, or -ENOMEM when
 * the folio is on its way out. The zero page is never pinned, because it goes nowhere. Linux: mm/gup.c:try_grab_folio()
 */
export function tryGrabFolio(memory: Memory, pfn: number, { refs, flags }: { refs: number; flags: number }): number {
  const { frames } = memory;
  const head = frames.head(pfn);
  const isPin = (flags & FOLL.get) === 0;
  const isCounted = !isPin || (flags & FOLL.pin && pfn !== ZERO_PFN);
  // A large folio counts its pins beside the references; in a small one the reference count itself must show them.
  const count = isPin && frames.order(head) === 0 ? refs * GUP_PIN_COUNTING_BIAS : refs;
  if (!frames.addRefcountUnlessZero(head, isCounted ? count : 0)) return -ENOMEM;
  if (isPin && isCounted) frames.addPincount(head, refs);
  return 0;
}

/** Gives back what `tryGrabFolio` took. Linux: mm/gup.c:gup_put_folio() */
function gupPutFolio(memory: Memory, pfn: number, { refs, flags }: { refs: number; flags: number }): void {
  const { frames } = memory;
  if (!(flags & FOLL.pin)) {
    folioPut(memory, pfn, refs);
    return;
  }
  if (pfn === ZERO_PFN) return;
  const head = frames.head(pfn);
  frames.addPincount(head, -refs);
  assert(frames.pincount(head) >= 0, 'pfn % has % pins', pfn, frames.pincount(head));
  folioPut(memory, pfn, frames.order(head) > 0 ? refs : refs * GUP_PIN_COUNTING_BIAS);
}

/** Ends `count` pins of one page. Linux: mm/gup.c:unpin_user_page() */
export function unpinUserPage(memory: Memory, pfn: number, count = 1): void {
  gupPutFolio(memory, pfn, { refs: count, flags: FOLL.pin });
}

/** Ends the pins of `npages` pages of `pfns`. Linux: mm/gup.c:unpin_user_pages() */
export function unpinUserPages(memory: Memory, pfns: PfnList, npages: number): void {
  for (let i = 0; i < npages; i++) unpinUserPage(memory, pfns[i]!);
}
