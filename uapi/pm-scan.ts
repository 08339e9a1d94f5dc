import { _IOWR } from './ioc.js';

/** Size of struct pm_scan_arg. */
export const PM_SCAN_ARG_BYTES = 96;
/** Of /proc/PID/pagemap. Linux: include/uapi/linux/fs.h */
export const PAGEMAP_SCAN = _IOWR(0x66, 16, PM_SCAN_ARG_BYTES);

export const PAGE_IS = {
  wpAllowed: 1 << 0,
  written: 1 << 1,
  file: 1 << 2,
  present: 1 << 3,
  swapped: 1 << 4,
  pfnZero: 1 << 5,
  huge: 1 << 6,
  softDirty: 1 << 7,
} as const;

export const PM_SCAN = { wpMatching: 1 << 0, checkWpAsync: 1 << 1 } as const;
