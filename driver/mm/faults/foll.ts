/** Flags of get_user_pages and pin_user_pages, Linux's 6.12 values. Those from `touch` on are for callers inside mm only. */
export const FOLL = {
  /** The caller will write, so COW is broken first. */
  write: 0x1,
  /** One plain reference a page. */
  get: 0x2,
  force: 0x8,
  /** Don't fault: stop at the first page that is not there. */
  nofault: 0x20,
  /** The pin may last: coherent device memory is moved to system memory first. Only together with `pin`. */
  longterm: 0x100,
  splitPmd: 0x200,
  touch: 1 << 16,
  /** The address space is not (necessarily) the caller's own. */
  remote: 1 << 18,
  /** The caller will access the data of the page. */
  pin: 1 << 19,
  fastOnly: 1 << 20,
  /** mmap_lock may be let go of while a fault waits. */
  unlockable: 1 << 21,
  /** Errors of MADV_POPULATE_*: -ENOMEM without a vma, -EINVAL where access is not allowed. */
  madvPopulate: 1 << 22,
} as const;

/** What only mm may ask for. Linux: INTERNAL_GUP_FLAGS */
export const INTERNAL_FOLL_FLAGS = 0x7f0000;
