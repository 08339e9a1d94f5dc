import { LockClass } from '../../core/lock-class.js';
import { RwSem } from '../../core/locks.js';
import type { HugetlbFileReservation } from '../huge/hugetlb-file-reservation.js';
import type { Memory } from '../memory.js';
import type { Vma } from '../vmas/vma.js';
import { PageCache } from './page-cache.js';

/** How much the files of a mounted tmpfs may hold, and how many there may be with the directories; 0: as much as there is. */
export interface FileSystemLimit {
  readonly maxPages: number;
  readonly maxInodes: number;
  readonly files: AddressSpace[];
}

/**
 * The page cache of one tmpfs or hugetlbfs file (shared anonymous memory is such a file without a name), or the pages of
 * a device mapping.
 */
export class AddressSpace {
  readonly pages: PageCache;
  /** Every vma that maps the file, in order of linking; protected by `lock` (i_mmap_rwsem). */
  readonly vmas: Vma[] = [];
  readonly lock: RwSem;
  /** Length in bytes: a fault behind it is a SIGBUS. */
  size = 0;
  /** Of a file in a tmpfs that has one. */
  limit: FileSystemLimit | null = null;
  /** Shared anonymous memory, which is a tmpfs file without a name. Linux: include/linux/mm.h:vma_is_anon_shmem() */
  isAnonymous = false;
  /** Pages that count as the file's though they are not there yet: holes that a collapse is about to fill. Linux: mm/shmem.c:shmem_charge() */
  charged = 0;
  /** Pages before this index stay when a large folio is split, even behind the end of the file. Linux: shmem_inode_info.fallocend */
  fallocEnd = 0;
  /** How many keep it from being mapped shared and writable at the moment. Linux: i_mmap_writable, where it is negative */
  writableDenials = 0;
  /** Its pages do not go to swap. Linux: AS_UNEVICTABLE */
  isUnevictable = false;
  /** Of a hugetlbfs file: what was promised of it. */
  hugetlb: HugetlbFileReservation | null = null;

  constructor(
    memory: Memory,
    readonly id: number,
  ) {
    this.pages = new PageCache(memory.kernel, id);
    this.lock = new RwSem(memory.kernel, LockClass.rmapLock, 'i_mmap');
  }
}
