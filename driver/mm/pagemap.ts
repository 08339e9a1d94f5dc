import type { Coroutine } from '../core/effect.js';
import type { ZoneId } from './frames.js';
import type { Vma } from './vma.js';

/** What a driver does for its device memory. Linux: struct dev_pagemap_ops */
export interface DevPagemapOps {
  /** The last reference of a private or coherent page was put (6.12: refcount is already 0). */
  pageFree(pfn: number): void;
  /** The CPU touched a private page at `addr`: bring it back. 0, or VM_FAULT.* bits. The caller holds one reference. */
  migrateToRam(fault: { vma: Vma; addr: number; pfn: number }): Coroutine<number>;
}

/** Linux: struct dev_pagemap, one a device chunk. `owner` says whose pages these are (the device object). */
export interface DevPagemap {
  readonly id: number;
  readonly zone: ZoneId;
  readonly firstPfn: number;
  readonly npages: number;
  /** Pages of [firstPfn, freshEnd) were never handed out; they are used from the top. */
  freshEnd: number;
  readonly owner: object;
  readonly ops: DevPagemapOps;
}
