import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import { Access, Shared } from '../../core/observer.js';
import type { Memory } from '../memory.js';
import { mmapAssertLocked } from '../vmas/mm.js';
import { VM_ACCESS_FLAGS } from '../vmas/vm-flags.js';
import { touchAnonVma, type Vma, vmaHasAnonVma } from '../vmas/vma.js';
import { AnonVma } from './anon-vma.js';
import { PAGE_SIZE } from './frames.js';

/**
 * Makes sure that `vma` has an anon_vma before an anonymous page is mapped in it. mmap_lock is held.
 * Linux: mm/rmap.c:__anon_vma_prepare()
 */
export function* anonVmaPrepare(vma: Vma): Coroutine<void> {
  mmapAssertLocked(vma.mm);
  vma.mm.memory.kernel.mightSleep();
  if (vmaHasAnonVma(vma)) return;
  const anonVma = findMergeableAnonVma(vma) ?? newAnonVma(vma.mm.memory, null);
  yield* anonVma.root.lock.writeLock();
  if (!vmaHasAnonVma(vma)) {
    touchAnonVma(vma, Access.write);
    vma.anonVma = anonVma;
    linkAvc(vma, anonVma);
    anonVma.numActiveVmas++;
  } else {
    freeIfEmpty(vma.mm.memory, anonVma);
  }
  anonVma.root.lock.writeUnlock();
}

/** `dst`, a copy of `src`, may map all that `src` may. `dst.anonVma` is kept when it is set. Linux: mm/rmap.c:anon_vma_clone() */
export function anonVmaClone(dst: Vma, src: Vma): void {
  for (let i = src.avcs.length - 1; i >= 0; i--) {
    const anonVma = src.avcs[i]!;
    linkAvc(dst, anonVma);
    const reusable = anonVma.numChildren < 2 && anonVma.numActiveVmas === 0;
    if (dst.anonVma === null && src.anonVma !== null && reusable) dst.anonVma = anonVma;
  }
  if (dst.anonVma !== null) dst.anonVma.numActiveVmas++;
}

/** A forked vma: reached through the parent's anon_vmas, and with one of its own for pages it copies. Linux: mm/rmap.c:anon_vma_fork() */
export function anonVmaFork(vma: Vma, parent: Vma): void {
  if (parent.anonVma === null) return;
  vma.anonVma = null;
  anonVmaClone(vma, parent);
  if (vma.anonVma !== null) return;
  const own = newAnonVma(vma.mm.memory, parent.anonVma);
  own.numActiveVmas = 1;
  parent.anonVma.numChildren++;
  vma.anonVma = own;
  linkAvc(vma, own);
}

/** `vma` goes away or becomes empty: no rmap walk visits it any more. Linux: mm/rmap.c:unlink_anon_vmas() */
export function unlinkAnonVmas(vma: Vma): void {
  const { memory } = vma.mm;
  for (const anonVma of vma.avcs) {
    const at = anonVma.vmas.indexOf(vma);
    assert(at >= 0, 'a vma is not linked in its anon_vma');
    memory.kernel.observer?.touch(Shared.rmap, anonVma.id, Access.write, 1);
    anonVma.vmas.splice(at, 1);
    if (anonVma.vmas.length === 0) anonVma.parent.numChildren--;
  }
  if (vma.anonVma !== null) vma.anonVma.numActiveVmas--;
  vma.anonVma = null;
  for (const anonVma of vma.avcs) freeIfEmpty(memory, anonVma);
  memory.kernelMemory.give('object', vma.avcs.length);
  vma.avcs.length = 0;
}

/**
 * May `a` and `b`, neighbours with `b` behind `a`, share one anon_vma? They could be merged once they differ only in
 * access rights. Linux: mm/vma.c:anon_vma_compatible()
 */
function anonVmaCompatible(a: Vma, b: Vma): boolean {
  return (
    a.end === b.start &&
    a.file === b.file &&
    ((a.flags ^ b.flags) & ~VM_ACCESS_FLAGS) === 0 &&
    b.pgoff === a.pgoff + (b.start - a.start) / PAGE_SIZE
  );
}

/** Linux: mm/vma.c:find_mergeable_anon_vma(), reusable_anon_vma() */
function findMergeableAnonVma(vma: Vma): AnonVma | null {
  const { vmas } = vma.mm;
  const i = vmas.indexOf(vma);
  const next = vmas[i + 1];
  const previous = vmas[i - 1];
  if (next !== undefined && anonVmaCompatible(vma, next) && isSingular(next)) return next.anonVma;
  if (previous !== undefined && anonVmaCompatible(previous, vma) && isSingular(previous)) return previous.anonVma;
  return null;
}

function isSingular(vma: Vma): boolean {
  return vmaHasAnonVma(vma) && vma.avcs.length === 1;
}

function newAnonVma(memory: Memory, parent: AnonVma | null): AnonVma {
  const anonVma = new AnonVma(memory, memory.newMappingId(), parent);
  if (parent === null) anonVma.numChildren = 1;
  memory.anonVmas.set(anonVma.id, anonVma);
  return anonVma;
}

function linkAvc(vma: Vma, anonVma: AnonVma): void {
  vma.mm.memory.kernelMemory.take('object', 1);
  vma.mm.memory.kernel.observer?.touch(Shared.rmap, anonVma.id, Access.write, 1);
  vma.avcs.unshift(anonVma);
  anonVma.vmas.push(vma);
}

function freeIfEmpty(memory: Memory, anonVma: AnonVma): void {
  if (anonVma.vmas.length === 0) memory.anonVmas.delete(anonVma.id);
}
