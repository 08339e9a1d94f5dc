import { EBUSY } from '../../../uapi/errno.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import type { Memory } from '../memory.js';
import type { AddressSpace } from './address-space.js';
import { cacheReferences } from './filemap.js';

const LAST_SCAN = 4;
/** 5 ms, which double with each scan. */
const FIRST_PAUSE_TICKS = 1_000_000 / 200;

/** The page of `index` has references beside those of the file and of page tables. Linux: part of mm/memfd.c:memfd_folio_has_extra_refs() */
function hasExtraRefs({ frames }: Memory, { pages }: AddressSpace, index: number): boolean {
  const pfn = pages.get(index);
  if (pfn <= 0) return false;
  const head = frames.head(pfn);
  return frames.refcount(head) - frames.folioMapcount(head) !== cacheReferences(frames, head);
}

/**
 * Waits until nobody else has a page of the file: 0, or -EBUSY after 150 ms. Who is killed looks one last time. New references are not looked
 * for. Linux: mm/memfd.c:memfd_wait_for_pins(), memfd_tag_pins()
 */
export function* memfdWaitForPins(memory: Memory, mapping: AddressSpace): Coroutine<number> {
  const { scheduler, current } = memory.kernel;
  const isPinned = (index: number): boolean => hasExtraRefs(memory, mapping, index);
  let pinned = mapping.pages.filled(0).filter(isPinned);
  for (let scan = 0; scan <= LAST_SCAN && pinned.length > 0; scan++) {
    if (scan > 0) yield { kind: 'sleep', ticks: FIRST_PAUSE_TICKS * 2 ** scan };
    if (current.killed) scan = LAST_SCAN;
    if (scheduler.isFine) yield FINE.refcount;
    pinned = pinned.filter(isPinned);
  }
  return pinned.length > 0 ? -EBUSY : 0;
}
