import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { anonVmaClone, unlinkAnonVmas } from '../frames/anon-rmap.js';
import type { AnonVma } from '../frames/anon-vma.js';
import { PAGE_SIZE } from '../frames/frames.js';
import { khugepagedEnterVma } from '../huge/khugepaged-enter.js';
import { vmaAdjustTransHuge } from '../huge/thp-split-pmd.js';
import type { UserfaultCtx } from '../userfault/ctx.js';
import { type Mm, mmapAssertWriteLocked } from './mm.js';
import { VM, VM_SPECIAL } from './vm-flags.js';
import type { MappedFile, Vma } from './vma.js';
import { lockRmap, removeSharedVmStruct, removeVma, unlockRmap, vmaBefore } from './vma-list.js';
import { splitVma } from './vma-split.js';

/** What a range is, or is about to be, as far as merging cares. Linux: struct vma_merge_struct */
export interface MergeRange {
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  readonly pgoff: number;
  readonly file: MappedFile | null;
  readonly anonVma: AnonVma | null;
  readonly userfault: UserfaultCtx | null;
  /** The vma that ends at or before `start`, and the one that begins at or behind `end`. */
  readonly prev: Vma | null;
  readonly next: Vma | null;
}

/**
 * Gives [start, end) of `vma` to a neighbour if that has the properties `flags`, or else makes it a vma of its own.
 * The caller sets the flags of the vma that it gets; when that is a merged one they are `flags` already. Answers a
 * negative errno when the vma can't be split there. mmap_lock is held for write.
 * Linux: mm/vma.c:vma_modify(), vma_modify_flags(), vma_modify_flags_uffd()
 */
export function* vmaModifyFlags(
  vma: Vma,
  range: { start: number; end: number; flags: number; userfault?: UserfaultCtx | null },
): Coroutine<Vma | number> {
  mmapAssertWriteLocked(vma.mm);
  const merged = yield* vmaMergeExistingRange(vma, range);
  if (merged !== null) return merged;
  const { start, end } = range;
  if (vma.start < start) {
    const error = yield* splitVma(vma, start, { newBelow: true });
    if (error !== 0) return error;
  }
  if (vma.end > end) {
    const error = yield* splitVma(vma, end, { newBelow: false });
    if (error !== 0) return error;
  }
  return vma;
}

/**
 * Part of `vma` changes: can a neighbour take it over? Answers the neighbour, or null when nothing was changed.
 * Linux: mm/vma.c:vma_merge_existing_range()
 */
function* vmaMergeExistingRange(
  vma: Vma,
  {
    start,
    end,
    flags,
    userfault = vma.userfault,
  }: { start: number; end: number; flags: number; userfault?: UserfaultCtx | null },
): Coroutine<Vma | null> {
  const atLeft = start === vma.start;
  const atRight = end === vma.end;
  if (flags & VM_SPECIAL || (!atLeft && !atRight)) return null;
  const { mm, file, anonVma } = vma;
  const prev = atLeft ? vmaBefore(mm, start) : null;
  const next = atRight ? mm.findVma(end) : null;
  const range = { start, end, flags, pgoff: vma.linearPageIndex(start), file, anonVma, userfault, prev, next };
  const left = canVmaMergeLeft(range);
  let right = canVmaMergeRight(range, left);
  const deletesVma = atLeft && atRight;
  if ((!left && !right) || (deletesVma && !canMergeRemoveVma(vma))) return null;
  if (left && right && !canMergeRemoveVma(next!)) right = false;

  const merge =
    left && right
      ? mergeBoth(vma, prev!, next!)
      : left
        ? mergeIntoPrev(vma, prev!, end)
        : mergeIntoNext(vma, next!, start);
  const merged = yield* merge;
  khugepagedEnterVma(merged, flags);
  return merged;
}

/** `prev` takes over all of `vma` and of `next`. */
function* mergeBoth(vma: Vma, prev: Vma, next: Vma): Coroutine<Vma> {
  const locks = yield* lockRmap(prev, vma.anonVma === null ? next : vma);
  dupAnonVma(prev, next.anonVma === null ? vma : next);
  const { end } = next;
  yield* vmaAdjustTransHuge(prev, prev.start, end);
  deleteMerged(vma);
  deleteMerged(next);
  prev.end = end;
  unlockRmap(locks);
  dropMergedFile(prev, 2);
  return prev;
}

/** `prev` takes over `vma` up to `end`. */
function* mergeIntoPrev(vma: Vma, prev: Vma, end: number): Coroutine<Vma> {
  const deletes = end === vma.end;
  const locks = yield* lockRmap(prev, vma);
  dupAnonVma(prev, vma);
  yield* vmaAdjustTransHuge(prev, prev.start, end);
  if (deletes) {
    deleteMerged(vma);
  } else {
    yield* vmaAdjustTransHuge(vma, end, vma.end);
    vma.pgoff = vma.linearPageIndex(end);
    vma.start = end;
  }
  prev.end = end;
  unlockRmap(locks);
  if (deletes) dropMergedFile(prev, 1);
  return prev;
}

/** `next` takes over `vma` from `start` on. */
function* mergeIntoNext(vma: Vma, next: Vma, start: number): Coroutine<Vma> {
  const deletes = start === vma.start;
  const locks = yield* lockRmap(next, vma);
  dupAnonVma(next, vma);
  if (deletes) {
    yield* vmaAdjustTransHuge(next, start, next.end);
    deleteMerged(vma);
  } else {
    yield* vmaAdjustTransHuge(vma, vma.start, start);
    vma.end = start;
  }
  next.pgoff -= (next.start - start) / PAGE_SIZE;
  next.start = start;
  unlockRmap(locks);
  if (deletes) dropMergedFile(next, 1);
  return next;
}

/**
 * The free range is about to be mapped: can a neighbour grow over it, or both become one? Answers the vma that now
 * covers it, or null. Linux: mm/vma.c:vma_merge_new_range()
 */
export function* vmaMergeNewRange(range: MergeRange): Coroutine<Vma | null> {
  if (range.flags & VM_SPECIAL) return null;
  const { prev, next, start, end } = range;
  const left = canVmaMergeLeft(range);
  let right = canVmaMergeRight(range, left);
  if (left && right && !canMergeRemoveVma(next!)) right = false;
  if (!left && !right) return null;
  const target = left ? prev! : next!;
  mmapAssertWriteLocked(target.mm);
  const removed = left && right ? next! : null;
  const locks = yield* lockRmap(target, removed);
  if (removed !== null) dupAnonVma(target, removed);
  const newStart = left ? target.start : start;
  const newEnd = removed !== null ? removed.end : left ? end : target.end;
  yield* vmaAdjustTransHuge(target, newStart, newEnd);
  if (removed !== null) deleteMerged(removed);
  target.pgoff -= (target.start - newStart) / PAGE_SIZE;
  target.start = newStart;
  target.end = newEnd;
  unlockRmap(locks);
  if (removed !== null) dropMergedFile(target, 1);
  khugepagedEnterVma(target, range.flags);
  return target;
}

/** `vma` grows by `delta` bytes behind its end, where nothing is mapped. Linux: mm/vma.c:vma_merge_extend() */
export function* vmaMergeExtend(mm: Mm, vma: Vma, delta: number): Coroutine<Vma | null> {
  const { end, flags, file, anonVma, userfault } = vma;
  const pgoff = vma.linearPageIndex(end);
  return yield* vmaMergeNewRange({
    start: end,
    end: end + delta,
    flags,
    pgoff,
    file,
    anonVma,
    userfault,
    prev: vma,
    next: mm.findVma(end),
  });
}

/** Linux: mm/vma.c:can_vma_merge_left(), can_vma_merge_after() */
function canVmaMergeLeft(range: MergeRange): boolean {
  const { prev } = range;
  if (prev === null || prev.end !== range.start || !isMergeableVma(range, prev)) return false;
  return isMergeableAnonVma(range.anonVma, prev.anonVma, prev) && prev.linearPageIndex(prev.end) === range.pgoff;
}

/** Linux: mm/vma.c:can_vma_merge_right(), can_vma_merge_before() */
function canVmaMergeRight(range: MergeRange, canLeft: boolean): boolean {
  const { next } = range;
  if (next === null || next.start !== range.end || !isMergeableVma(range, next)) return false;
  if (!isMergeableAnonVma(range.anonVma, next.anonVma, next)) return false;
  if (next.pgoff !== range.pgoff + (range.end - range.start) / PAGE_SIZE) return false;
  return !canLeft || isMergeableAnonVma(range.prev!.anonVma, next.anonVma, null);
}

/** Linux: mm/vma.c:is_mergeable_vma() */
function isMergeableVma(range: MergeRange, vma: Vma): boolean {
  return (
    ((vma.flags ^ range.flags) & ~VM.notSoftDirty) === 0 && vma.file === range.file && vma.userfault === range.userfault
  );
}

/**
 * One of two may lack an anon_vma, but in 6.12 the existing `vma` then must have exactly one link; a vma that was never
 * written has none, so it takes no neighbour that was. Linux: mm/vma.c:is_mergeable_anon_vma()
 */
function isMergeableAnonVma(a: AnonVma | null, b: AnonVma | null, vma: Vma | null): boolean {
  if ((a === null || b === null) && (vma === null || vma.avcs.length === 1)) return true;
  return a === b;
}

/** A driver that counts its vmas must see every one closed by munmap. Linux: mm/vma.c:can_merge_remove_vma() */
function canMergeRemoveVma(vma: Vma): boolean {
  return vma.ops?.close === undefined;
}

/** The growing vma must be found for the pages of the shrinking one. Linux: mm/vma.c:dup_anon_vma() */
function dupAnonVma(to: Vma, from: Vma): void {
  mmapAssertWriteLocked(to.mm);
  if (from.anonVma === null || to.anonVma !== null) return;
  to.anonVma = from.anonVma;
  anonVmaClone(to, from);
}

/** Linux: the `remove` part of mm/vma.c:vma_complete() */
function deleteMerged(vma: Vma): void {
  removeSharedVmStruct(vma);
  if (vma.anonVma !== null) unlinkAnonVmas(vma);
  assert(vma.avcs.length === 0, 'a merged vma is still linked to an anon_vma');
  removeVma(vma);
}

/** Merged vmas held references of the file, of which `vma` has one left: so this is never the last put. */
function dropMergedFile(vma: Vma, count: number): void {
  if (vma.file === null) return;
  for (let i = 0; i < count; i++) assert(vma.file.put().next().done === true, 'a file is released under mmap_lock');
}
