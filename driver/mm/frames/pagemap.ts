import type { Coroutine } from '../../core/effect.js';
import type { Vma } from '../vmas/vma.js';
import type { ZoneId } from './frames.js';

/** What a driver does for its device memory. Linux: struct dev_pagemap_ops */
export interface DevPagemapOps {
  /** The last reference of a private or coherent folio was put (6.12: refcount is already 0). */
  pageFree(head: number): void;
  /** The CPU touched private memory: bring it back. 0, or VM_FAULT.* bits. */
  migrateToRam(fault: DeviceFault): Coroutine<number>;
  /** A folio of 2 MiB has become 512 pages, each with a reference of its own: the driver parts what it keeps of it. */
  folioSplit(head: number): void;
}

/** The CPU touched private memory. The caller holds a reference on the page and, where the profile says so, its folio's lock. */
export interface DeviceFault {
  readonly vma: Vma;
  readonly addr: number;
  readonly pfn: number;
  /** A 2 MiB entry led to it: the whole folio may come back as one. Linux: a vm_fault without pte */
  readonly isHuge: boolean;
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
  /** Of the owner, for reports. */
  readonly name: string;
  readonly ops: DevPagemapOps;
}
