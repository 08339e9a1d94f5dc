/** VMA flags, with Linux's values where they fit 32 bits. Linux: include/linux/mm.h */
export const VM = {
  read: 0x1,
  write: 0x2,
  exec: 0x4,
  shared: 0x8,
  mayread: 0x10,
  maywrite: 0x20,
  mayexec: 0x40,
  mayshare: 0x80,
  /** A stack. Deviates: it does not grow, and others are mapped right below it. */
  growsdown: 0x100,
  /** A userfaultfd serves faults on missing pages. */
  uffdMissing: 0x200,
  pfnmap: 0x400,
  /** The same on pages that the file has and the process has not mapped. Linux has it behind the 32 bits. */
  uffdMinor: 0x800,
  /** The same on writes to pages that it protects. */
  uffdWp: 0x1000,
  /** Reclaim leaves the pages alone. */
  locked: 0x2000,
  io: 0x4000,
  /** Only keeps differing vmas apart here, as do the next and `dontdump`. */
  seqRead: 0x8000,
  randRead: 0x10000,
  dontcopy: 0x20000,
  dontexpand: 0x40000,
  /** Of locked memory: pages come with the first touch, not at once. */
  lockonfault: 0x80000,
  account: 0x100000,
  noreserve: 0x200000,
  hugetlb: 0x400000,
  wipeonfork: 0x2000000,
  dontdump: 0x4000000,
  /** Writes are tracked: only pages written since clear_refs are soft-dirty. Linux: VM_SOFTDIRTY, which is the opposite */
  notSoftDirty: 0x8000000,
  mixedmap: 0x10000000,
  hugepage: 0x20000000,
  nohugepage: 0x40000000,
} as const;

/** READ, WRITE, EXEC. */
export const VM_ACCESS_FLAGS = VM.read | VM.write | VM.exec;
export const VM_LOCKED_MASK = VM.locked | VM.lockonfault;
/** Migration and THP keep away from these. Linux: VM_SPECIAL */
export const VM_SPECIAL = VM.io | VM.dontexpand | VM.pfnmap | VM.mixedmap;

/** Linux: mm/internal.h:is_stack_mapping() */
export function isStackMapping(flags: number): boolean {
  return (flags & VM.growsdown) !== 0;
}

/** Linux: mm/internal.h:is_data_mapping() */
export function isDataMapping(flags: number): boolean {
  return (flags & (VM.write | VM.shared | VM.growsdown)) === VM.write;
}

/** `rw-p`, as /proc/PID/maps has it. */
export function vmaRights(flags: number): string {
  const rights = `${flags & VM.read ? 'r' : '-'}${flags & VM.write ? 'w' : '-'}${flags & VM.exec ? 'x' : '-'}`;
  return rights + (flags & VM.mayshare ? 's' : 'p');
}
