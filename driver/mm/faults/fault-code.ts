/** Results of handle_mm_fault(), Linux's values. 0 = done: the access is simply tried again. */
export const VM_FAULT = {
  oom: 0x1,
  sigbus: 0x2,
  major: 0x4,
  hwpoison: 0x10,
  sigsegv: 0x40,
  nopage: 0x100,
  locked: 0x200,
  retry: 0x400,
  fallback: 0x800,
} as const;

export const VM_FAULT_ERROR = VM_FAULT.oom | VM_FAULT.sigbus | VM_FAULT.sigsegv | VM_FAULT.hwpoison;

/** Flags of a fault. */
export const FAULT = {
  write: 0x1,
  /** mmap_lock may be let go of while the fault waits: VM_FAULT.retry. Linux: FAULT_FLAG_ALLOW_RETRY */
  allowRetry: 0x4,
  /** It let go of mmap_lock and begins anew. Linux: FAULT_FLAG_TRIED */
  tried: 0x20,
  /** By the program, not by the kernel for it. */
  user: 0x40,
  /** Not by the process itself: GUP, HMM. */
  remote: 0x80,
  /** GUP wants a page of its own even for reading. Linux: FAULT_FLAG_UNSHARE */
  unshare: 0x400,
} as const;
