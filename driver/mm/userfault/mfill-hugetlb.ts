import { EEXIST, EFAULT, ENOMEM } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import { filemapLockHugetlbFolio, hugetlbAddToPageCache } from '../files/hugetlbfs.js';
import { anonVmaPrepare } from '../frames/anon-rmap.js';
import { folioPut, folioUnlock } from '../frames/folio.js';
import { HPAGE_PMD_NR, PAGE_SIZE, PG } from '../frames/frames.js';
import { folioAddFileRmapPmd, folioAddNewAnonRmapPmd } from '../frames/rmap.js';
import { allocHugetlbFolio, hugePteAlloc } from '../huge/hugetlb-fault.js';
import { setPmd } from '../huge/thp-fault.js';
import type { PmdSlot } from '../huge/thp-policy.js';
import { Kind, kindOf, Pte } from '../tables/entry.js';
import { mkPte, pteMkuffdWp } from '../tables/pte-build.js';
import { ptlLock, ptlUnlock } from '../tables/ptl.js';
import { VM } from '../vmas/vm-flags.js';
import type { Vma } from '../vmas/vma.js';
import type { Mfill } from './mfill.js';

interface MfillHuge {
  readonly fill: Pick<Mfill, 'mode' | 'wp'>;
  readonly bytes: Uint8Array;
}

/** One page of 2 MiB at `addr`, with faults kept away. Linux: mm/hugetlb.c:hugetlb_mfill_atomic_pte() */
export function* hugetlbMfillAtomicPte(vma: Vma, addr: number, { fill, bytes }: MfillHuge): Coroutine<number> {
  const { memory } = vma.mm;
  const { faultMutex } = memory.hugetlb;
  yield* faultMutex.lock();
  const slot = hugePteAlloc(vma, addr);
  const kind = kindOf(slot.table.lo(slot.index));
  let error = kind === Kind.none || kind === Kind.marker || fill.mode === 'continue' ? 0 : -EEXIST;
  if (error === 0 && fill.mode === 'poison') error = poison(vma, slot);
  else if (error === 0) error = yield* fillHuge(vma, addr, { slot, fill, bytes });
  faultMutex.unlock();
  return error;
}

function poison({ mm }: Vma, slot: PmdSlot): number {
  ptlLock(mm);
  const isNone = kindOf(slot.table.lo(slot.index)) === Kind.none;
  if (isNone) setPmd(slot, Kind.marker | Pte.huge | Pte.poisoned, 0);
  ptlUnlock(mm);
  return isNone ? 0 : -EEXIST;
}

function* fillHuge(vma: Vma, addr: number, { slot, fill, bytes }: MfillHuge & { slot: PmdSlot }): Coroutine<number> {
  const { memory } = vma.mm;
  const mapping = vma.file?.mapping ?? null;
  const index = vma.linearPageIndex(addr);
  const isContinue = fill.mode === 'continue';
  let head = 0;
  if (isContinue) {
    head = mapping === null ? 0 : yield* filemapLockHugetlbFolio(memory, mapping, index);
    if (head === 0) return -EFAULT;
  } else {
    if (vma.isShared && mapping!.pages.get(index) !== 0) return -EEXIST;
    if (vma.isShared && index * PAGE_SIZE >= mapping!.size) return -EFAULT;
    if (!vma.isShared) yield* anonVmaPrepare(vma);
    head = allocHugetlbFolio(vma, addr);
    if (head === 0) return -ENOMEM;
    memory.contentChanges(head, HPAGE_PMD_NR);
    memory.bytes.set(bytes, head * PAGE_SIZE);
    memory.frames.setFlags(head, PG.uptodate);
    if (vma.isShared) hugetlbAddToPageCache(memory, mapping!, index, head);
  }
  const isLocked = vma.isShared || isContinue;
  const error = install(vma, addr, { slot, head, isOfFile: isLocked, isContinue, wp: fill.wp });
  if (isLocked) folioUnlock(memory, head);
  if (error !== 0) folioPut(memory, head);
  return error;
}

function install(
  vma: Vma,
  addr: number,
  {
    slot,
    head,
    isOfFile,
    isContinue,
    wp,
  }: { slot: PmdSlot; head: number; isOfFile: boolean; isContinue: boolean; wp: boolean },
): number {
  const { mm } = vma;
  ptlLock(mm);
  const kind = kindOf(slot.table.lo(slot.index));
  const isFree = kind === Kind.none || kind === Kind.marker;
  if (isFree) {
    if (isOfFile) folioAddFileRmapPmd(mm.memory, head);
    else folioAddNewAnonRmapPmd(mm.memory, head, vma, addr);
    const isWritable = !wp && !(isContinue && !vma.isShared) && (vma.flags & VM.write) !== 0;
    const lo = mkPte(vma) | Pte.huge | Pte.dirty | (isWritable ? Pte.write : 0);
    setPmd(slot, wp ? pteMkuffdWp(lo) : lo, head);
  }
  ptlUnlock(mm);
  return isFree ? 0 : -EEXIST;
}
