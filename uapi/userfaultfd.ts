import { _IO, _IOR, _IOWR } from './ioc.js';

export const UFFD_API = 0xaa;

/** ioctls of a userfaultfd. Linux: include/uapi/linux/userfaultfd.h */
export const UFFDIO = {
  API: _IOWR(UFFD_API, 0x3f, 24),
  REGISTER: _IOWR(UFFD_API, 0, 32),
  UNREGISTER: _IOR(UFFD_API, 1, 16),
  WAKE: _IOR(UFFD_API, 2, 16),
  COPY: _IOWR(UFFD_API, 3, 40),
  ZEROPAGE: _IOWR(UFFD_API, 4, 32),
  MOVE: _IOWR(UFFD_API, 5, 40),
  WRITEPROTECT: _IOWR(UFFD_API, 6, 24),
  CONTINUE: _IOWR(UFFD_API, 7, 32),
  POISON: _IOWR(UFFD_API, 8, 32),
} as const;

/** Of /dev/userfaultfd: opens one. */
export const USERFAULTFD_IOC_NEW = _IO(UFFD_API, 0);

/** What a userfaultfd can do beside missing pages of anonymous memory. */
export const UFFD_FEATURE = {
  pagefaultFlagWp: 1 << 0,
  eventFork: 1 << 1,
  eventRemap: 1 << 2,
  eventRemove: 1 << 3,
  missingHugetlbfs: 1 << 4,
  missingShmem: 1 << 5,
  eventUnmap: 1 << 6,
  sigbus: 1 << 7,
  threadId: 1 << 8,
  minorHugetlbfs: 1 << 9,
  minorShmem: 1 << 10,
  exactAddress: 1 << 11,
  wpHugetlbfsShmem: 1 << 12,
  wpUnpopulated: 1 << 13,
  poison: 1 << 14,
  wpAsync: 1 << 15,
  move: 1 << 16,
} as const;

export const UFFD_EVENT = { pagefault: 0x12, fork: 0x13, remap: 0x14, remove: 0x15, unmap: 0x16 } as const;

export const UFFDIO_REGISTER_MODE = { missing: 1, wp: 2, minor: 4 } as const;

export const UFFD_PAGEFAULT_FLAG = { write: 1, wp: 2, minor: 4 } as const;
