import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, Shared } from '../../core/observer.js';
import { type Mm, mmapAssertLocked, mmapAssertWriteLocked } from './mm.js';
import { Vma } from './vma.js';

/** The vma before the one that holds or follows `addr`; null when there is none. */
export function vmaBefore(mm: Mm, addr: number): Vma | null {
  return mm.vmas[mm.findVmaIndex(addr) - 1] ?? null;
}

/** The first vma with a byte in [start, end). Linux: mm/mmap.c:find_vma_intersection() */
export function findVmaIntersection(mm: Mm, start: number, end: number): Vma | null {
  mmapAssertLocked(mm);
  const vma = mm.findVma(start);
  return vma !== null && vma.start < end ? vma : null;
}

/** Puts `vma` into the list of its address space; its range must be free. mmap_lock is held for write. */
export function insertVma(vma: Vma): void {
  mmapAssertWriteLocked(vma.mm);
  const { vmas } = vma.mm;
  const at = vma.mm.findVmaIndex(vma.start);
  const next = vmas[at];
  assert(next === undefined || vma.end <= next.start, 'a vma overlaps another one');
  vma.mm.touch(Shared.vmaList, Access.write);
  vmas.splice(at, 0, vma);
  vma.mm.memory.kernelMemory.take('object', 1);
}

/** Takes `vma` out of the list; its links to rmap objects stay. mmap_lock is held for write. */
export function removeVma(vma: Vma): void {
  mmapAssertWriteLocked(vma.mm);
  const { vmas } = vma.mm;
  const at = vmas.indexOf(vma);
  vma.mm.touch(Shared.vmaList, Access.write);
  assert(at >= 0, 'a vma is not in its address space');
  vmas.splice(at, 1);
  vma.mm.memory.kernelMemory.give('object', 1);
}

/** A copy that is in no list and has no anon_vma links, though it names the same anon_vma. Linux: kernel/fork.c:vm_area_dup() */
export function vmAreaDup(vma: Vma): Vma {
  const copy = new Vma(vma.mm, vma.start, vma.end, vma.flags, vma.pgoff);
  copy.anonVma = vma.anonVma;
  copy.file = vma.file;
  copy.ops = vma.ops;
  copy.userfault = vma.userfault;
  return copy;
}

/** The file's rmap finds `vma` from now on. The caller holds i_mmap for write. Linux: mm/vma.c:__vma_link_file() */
export function vmaLinkFile(vma: Vma): void {
  assert(vma.file?.mapping?.lock.isWriteLocked !== false, 'i_mmap is not held for write');
  vma.file?.mapping?.vmas.push(vma);
}

/** i_mmap is held for write. Linux: mm/vma.c:__remove_shared_vm_struct() */
export function removeSharedVmStruct(vma: Vma): void {
  assert(vma.file?.mapping?.lock.isWriteLocked !== false, 'i_mmap is not held for write');
  const mappers = vma.file?.mapping?.vmas;
  if (mappers === undefined) return;
  const at = mappers.indexOf(vma);
  assert(at >= 0, 'a vma is not linked in its file');
  mappers.splice(at, 1);
}

/**
 * Keeps rmap walks away from the file's and the anonymous pages of `vma` while it changes its range; `other` gives the
 * anon_vma when `vma` has none. Linux: the lock part of mm/vma.c:vma_prepare(), mm/mremap.c:take_rmap_locks()
 */
export function* lockRmap(vma: Vma, other: Vma | null = null): Coroutine<RmapLocks> {
  const file = vma.file?.mapping?.lock ?? null;
  const anon = (vma.anonVma ?? other?.anonVma ?? null)?.root.lock ?? null;
  if (file !== null) yield* file.writeLock();
  if (anon !== null) yield* anon.writeLock({ nested: file !== null });
  return { file, anon };
}

type RmapLock = NonNullable<Vma['anonVma']>['lock'];

/** The locks that `lockRmap` took. */
export interface RmapLocks {
  readonly file: RmapLock | null;
  readonly anon: RmapLock | null;
}

export function unlockRmap({ file, anon }: RmapLocks): void {
  anon?.writeUnlock();
  file?.writeUnlock();
}

/**
 * Keeps everybody away who could change entries of `mm`, which holds its mmap_lock for write: those who come through rmap do so without
 * that lock. Linux: mm/vma.c:mm_take_all_locks()
 */
export function* mmTakeAllLocks(mm: Mm): Coroutine<readonly RmapLock[]> {
  mmapAssertWriteLocked(mm);
  const locks = new Set<RmapLock>();
  for (const { file } of mm.vmas) if (file?.mapping) locks.add(file.mapping.lock);
  for (const { avcs } of mm.vmas) for (const { root } of avcs) locks.add(root.lock);
  let nested = false;
  for (const lock of locks) {
    yield* lock.writeLock({ nested });
    nested = true;
  }
  return [...locks];
}

/** Linux: mm/vma.c:mm_drop_all_locks() */
export function mmDropAllLocks(locks: readonly RmapLock[]): void {
  for (let i = locks.length - 1; i >= 0; i--) locks[i]!.writeUnlock();
}
