import { _IOWR } from './ioc.js';

export const PM_SCAN_ARG_BYTES = 96;
/** Linux: include/uapi/linux/fs.h:PAGEMAP_SCAN */
export const PAGEMAP_SCAN = _IOWR('f', 16, PM_SCAN_ARG_BYTES);

/** What a page is, to PAGEMAP_SCAN. */
export const PAGE_IS = {
  wpallowed: 1 << 0,
  written: 1 << 1,
  file: 1 << 2,
  present: 1 << 3,
  swapped: 1 << 4,
  pfnzero: 1 << 5,
  huge: 1 << 6,
  softDirty: 1 << 7,
} as const;
