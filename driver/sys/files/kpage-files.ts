import { EINVAL } from '../../../uapi/errno.js';
import { writeU64 } from '../../../uapi/u64.js';
import type { Coroutine } from '../../core/effect.js';
import { ZERO_PFN } from '../../mm/frames/frame-allocator.js';
import { type Frames, PG } from '../../mm/frames/frames.js';
import type { Memory } from '../../mm/memory.js';
import type { Machine } from '../machine/machine.js';
import type { Thread } from '../processes/thread.js';
import { type FileStat, OpenFile, type ReleaseQueue, S_IFREG } from './open-file.js';

const ENTRY_BYTES = 8;
/** Flags of /proc/kpageflags by their bit. Linux: include/uapi/linux/kernel-page-flags.h */
const KPF = {
  mmap: 11,
  anon: 12,
  compoundHead: 15,
  compoundTail: 16,
  huge: 17,
  nopage: 20,
  thp: 22,
  zeroPage: 24,
} as const;
const KPF_BUDDY = 10;
/** Those that are flags of the folio as they are. */
const COPIED: readonly (readonly [flag: number, bit: number])[] = [
  [PG.locked, 0],
  [PG.uptodate, 3],
  [PG.dirty, 4],
  [PG.lru, 5],
  [PG.writeback, 8],
  [PG.swapbacked, 14],
  [PG.mlocked, 33],
  [PG.reserved, 32],
];
const KPF_SWAPCACHE = 13;

/** What `pfn` is, as bits up to 33. Linux: fs/proc/page.c:stable_page_flags() */
function stablePageFlags({ frames, hugeZeroPfn }: Memory, pfn: number): number {
  if (pfn >= frames.systemFrames) return 2 ** KPF.nopage;
  const head = frames.head(pfn);
  const flags = frames.flags(head);
  const bits = new Set<number>(COPIED.filter(([flag]) => flags & flag).map(([, bit]) => bit));
  if (frames.refcount(head) === 0) return 2 ** KPF_BUDDY;
  if (isMapped(frames, pfn)) bits.add(KPF.mmap);
  if (flags & PG.anon) bits.add(KPF.anon);
  if (pfn !== head) bits.add(KPF.compoundTail);
  else if (flags & PG.head) bits.add(KPF.compoundHead);
  if (flags & PG.hugetlb) bits.add(KPF.huge);
  else if (hugeZeroPfn !== 0 && head === hugeZeroPfn) for (const bit of [KPF.zeroPage, KPF.thp]) bits.add(bit);
  else if (flags & PG.head) bits.add(KPF.thp);
  else if (pfn === ZERO_PFN) bits.add(KPF.zeroPage);
  if ((flags & (PG.swapbacked | PG.swapcache)) === (PG.swapbacked | PG.swapcache)) bits.add(KPF_SWAPCACHE);
  return [...bits].reduce((sum, bit) => sum + 2 ** bit, 0);
}

function isMapped(frames: Frames, pfn: number): boolean {
  return pageMapcount(frames, pfn) > 0;
}

function pageMapcount(frames: Frames, pfn: number): number {
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
    kpagecount: (pfn: number) => pageMapcount(memory.frames, pfn),
  };
  for (const [name, value] of Object.entries(files)) {
    machine.vfs.addSpecial(`/proc/${name}`, function* (_thread, flags) {
      return new KpageFile(machine, flags, { frames: memory.frames.systemFrames, value });
    });
  }
}
