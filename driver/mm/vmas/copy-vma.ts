import type { Coroutine } from '../../core/effect.js';
import { anonVmaClone } from '../frames/anon-rmap.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { mmapAssertWriteLocked } from './mm.js';
import { type Vma, vmaIsAnonymous } from './vma.js';
import { insertVma, lockRmap, unlockRmap, vmAreaDup, vmaLinkFile } from './vma-list.js';
import { vmaMergeNewRange } from './vma-merge.js';

/** What `copyVma` made. */
export interface CopiedVma {
  readonly newVma: Vma;
  /** The source; another one than before when it became part of `newVma`. */
  readonly vma: Vma;
  readonly needRmapLocks: boolean;
}

/**
 * Maps [addr, addr + len), which is free, as `vma` is mapped, growing a neighbour where that is possible. Pages that
 * were faulted in keep their page offset, so that rmap finds them at the new place; memory that never was gets the
 * offset of its new address. `keepSource` (MREMAP_DONTUNMAP) forbids to merge with `vma` itself. mmap_lock is held for
 * write.
 * Linux: mm/vma.c:copy_vma()
 */
export function* copyVma(
  vma: Vma,
  place: { addr: number; len: number; pgoff: number; keepSource: boolean },
): Coroutine<CopiedVma> {
  mmapAssertWriteLocked(vma.mm);
  const { mm, flags, file, anonVma, userfault } = vma;
  const { addr, len, keepSource } = place;
  const isUnfaulted = vmaIsAnonymous(vma) && anonVma === null;
  const pgoff = isUnfaulted ? addr / PAGE_SIZE : place.pgoff;
  const at = mm.findVmaIndex(addr);
  let prev: Vma | null = mm.vmas[at - 1] ?? null;
  let next: Vma | null = mm.vmas[at] ?? null;
  if (isUnfaulted && keepSource) {
    if (prev === vma) prev = null;
    if (next === vma) next = null;
  }
  const oldStart = vma.start;
  const merged = yield* vmaMergeNewRange({
    ...{ start: addr, end: addr + len, flags, pgoff, file, anonVma },
    ...{ userfault, prev, next },
  });
  if (merged === null) return { newVma: yield* newCopy(vma, { addr, len, pgoff }), vma, needRmapLocks: false };
  const source = oldStart >= merged.start && oldStart < merged.end ? merged : vma;
  return { newVma: merged, vma: source, needRmapLocks: merged.pgoff <= source.pgoff };
}

function* newCopy(vma: Vma, { addr, len, pgoff }: { addr: number; len: number; pgoff: number }): Coroutine<Vma> {
  const copy = vmAreaDup(vma);
  copy.start = addr;
  copy.end = addr + len;
  copy.pgoff = pgoff;
  const locks = yield* lockRmap(vma);
  anonVmaClone(copy, vma);
  copy.file?.get();
  copy.ops?.open?.(copy);
  insertVma(copy);
  vmaLinkFile(copy);
  unlockRmap(locks);
  return copy;
}
