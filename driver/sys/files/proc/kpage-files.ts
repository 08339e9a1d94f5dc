import { EINVAL } from '../../../../uapi/errno.js';
import { writeU64 } from '../../../../uapi/u64.js';
import type { Coroutine } from '../../../core/effect.js';
import { ZERO_PFN } from '../../../mm/frames/frame-allocator.js';
import { type Frames, HPAGE_PMD_NR, PAGE_SIZE, PG } from '../../../mm/frames/frames.js';
import { rmapObject, vmaAddress } from '../../../mm/frames/rmap.js';
import type { Memory } from '../../../mm/memory.js';
import { Kind, kindOf } from '../../../mm/tables/entry.js';
import { pmdIndex, pteIndex, type Table } from '../../../mm/tables/page-table.js';
import { VM, VM_SPECIAL } from '../../../mm/vmas/vm-flags.js';
import type { Vma } from '../../../mm/vmas/vma.js';
import type { Machine } from '../../machine/machine.js';
import type { Thread } from '../../processes/thread.js';
import { memLseek, type Seek } from '../llseek.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from '../open-file.js';

const ENTRY_BYTES = 8;
/** Flags of /proc/kpageflags by their bit. Linux: include/uapi/linux/kernel-page-flags.h, include/linux/kernel-page-flags.h */
const KPF = {
  locked: 0,
  uptodate: 3,
  dirty: 4,
  lru: 5,
  writeback: 8,
  buddy: 10,
  mmap: 11,
  anon: 12,
  swapcache: 13,
  swapbacked: 14,
  compoundHead: 15,
  compoundTail: 16,
  huge: 17,
  unevictable: 18,
  nopage: 20,
  thp: 22,
  zeroPage: 24,
  reserved: 32,
  mlocked: 33,
  /** KPF_OWNER_2, which of anonymous memory is PG_anon_exclusive. */
  anonExclusive: 34,
} as const;
/** Those that are flags of the folio as they are. */
const COPIED = [
  'locked',
  'uptodate',
  'dirty',
  'lru',
  'writeback',
  'anon',
  'swapbacked',
  'reserved',
  'anonExclusive',
] as const;

/** What `pfn` is, as a sum of bits up to 34. Linux: fs/proc/page.c:stable_page_flags() */
function stablePageFlags(memory: Memory, pfn: number): number {
  const { frames } = memory;
  if (pfn >= frames.systemFrames) return bit('nopage');
  const head = frames.head(pfn);
  if (frames.hasRefcountAtMost(head, 0)) return bit('buddy');
  const has = (flag: number): boolean => frames.hasFlags(head, flag);
  let flags = COPIED.filter((name) => has(PG[name])).reduce((sum, name) => sum + bit(name), 0);
  if (folioPrecisePageMapcount(frames, pfn) > 0) flags += bit('mmap');
  if (has(PG.swapbacked) && has(PG.swapcache)) flags += bit('swapcache');
  if (isMlocked(memory, head)) flags += bit('unevictable') + bit('mlocked');
  if (pfn !== head) flags += bit('compoundTail');
  else if (has(PG.head)) flags += bit('compoundHead');
  return flags + sizeFlags(memory, head);
}

/**
 * A vma that is locked maps the whole folio. Deviates: Linux keeps a flag for it, which is behind while folios wait in a batch, may be
 * lost when one of several locks goes or a huge page is mapped by PTEs, and is found out by reclaim alone. Linux: PG_mlocked, PG_unevictable
 */
function isMlocked(memory: Memory, head: number): boolean {
  const isLocked = ({ flags }: Vma): boolean => (flags & (VM.locked | VM_SPECIAL)) === VM.locked;
  return rmapObject(memory, head)?.vmas.some((vma) => isLocked(vma) && mapsWhole(vma, head)) ?? false;
}

function mapsWhole(vma: Vma, head: number): boolean {
  const { memory, pageTable } = vma.mm;
  const addr = vmaAddress(memory, head, vma);
  const npages = memory.frames.folioNrPages(head);
  if (addr < 0 || addr + npages * PAGE_SIZE > vma.end) return false;
  const isAt = (table: Table | null, i: number, pfn: number): boolean =>
    table !== null && kindOf(table.lo(i)) === Kind.present && table.hi(i) === pfn;
  const vpn = addr / PAGE_SIZE;
  if (npages === HPAGE_PMD_NR && isAt(pageTable.pmdTable(vpn), pmdIndex(vpn), head)) return true;
  for (let n = 0; n < npages; n++) if (!isAt(pageTable.pteTable(vpn + n), pteIndex(vpn + n), head + n)) return false;
  return true;
}

function sizeFlags({ frames, hugeZeroPfn }: Memory, head: number): number {
  if (frames.hasFlags(head, PG.hugetlb)) return bit('huge');
  const isZero = head === ZERO_PFN || (hugeZeroPfn !== 0 && head === hugeZeroPfn);
  return (frames.hasFlags(head, PG.head) ? bit('thp') : 0) + (isZero ? bit('zeroPage') : 0);
}

function bit(name: keyof typeof KPF): number {
  return 2 ** KPF[name];
}

/** Linux: fs/proc/internal.h:folio_precise_page_mapcount() */
function folioPrecisePageMapcount(frames: Frames, pfn: number): number {
  return frames.mapcount(pfn) + frames.entireMapcount(frames.head(pfn));
}

/** 8 bytes a page frame. Linux: fs/proc/page.c */
class KpageFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly of: { readonly frames: number; value(pfn: number): number },
  ) {
    super(releases, flags);
  }

  override stat(): FileStat {
    return { mode: S_IFREG | 0o400, size: 0, ino: 3, rdev: 0 };
  }

  override llseek(seek: Seek): number {
    return memLseek(this, seek);
  }

  override *pread(_thread: Thread, lenBytes: number, offset: number): Coroutine<Uint8Array | number> {
    if (offset % ENTRY_BYTES !== 0 || lenBytes % ENTRY_BYTES !== 0) return -EINVAL;
    const first = offset / ENTRY_BYTES;
    const count = Math.max(0, Math.min(lenBytes / ENTRY_BYTES, this.of.frames - first));
    const view = new DataView(new ArrayBuffer(count * ENTRY_BYTES));
    for (let i = 0; i < count; i++) writeU64(view, i * ENTRY_BYTES, this.of.value(first + i));
    return new Uint8Array(view.buffer);
  }
}

/** Puts /proc/kpageflags and /proc/kpagecount into the tree of paths. */
export function addKpageFiles(machine: Machine): void {
  const { memory } = machine;
  const files = {
    kpageflags: (pfn: number) => stablePageFlags(memory, pfn),
    kpagecount: (pfn: number) => folioPrecisePageMapcount(memory.frames, pfn),
  };
  for (const [name, value] of Object.entries(files)) {
    machine.vfs.addSpecial(`/proc/${name}`, function* (_thread, flags) {
      return new KpageFile(machine, flags, { frames: memory.frames.systemFrames, value });
    });
  }
}
