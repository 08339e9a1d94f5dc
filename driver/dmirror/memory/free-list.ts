import { LockClass } from '../../core/lock-class.js';
import { Access, Shared } from '../../core/observer.js';
import type { Memory } from '../../mm/memory.js';
import type { DmirrorChunk } from './chunk.js';

/**
 * Free memory of a device, pages or folios of 2 MiB, linked through `zoneDeviceData`: what was freed last is handed out first. What of a
 * chunk was never used stands on it as one run, highest pfn first, on top of the chunk's `belowFresh`.
 * Linux: lib/test_hmm.c:struct dmirror_device, free_pages and free_folios
 */
export class FreeList {
  /** First pfn, 0 when the list is empty. Protected by dev_lock. */
  private head = 0;

  constructor(
    private readonly memory: Memory,
    private readonly chunkOf: (pfn: number) => DmirrorChunk,
    private readonly minor: number,
    /** Pages of one unit: 1 or 512. */
    readonly unitPages: number,
  ) {}

  pop(): number {
    this.lock();
    const pfn = this.head;
    if (pfn !== 0) {
      const chunk = this.chunkOf(pfn);
      this.head = chunk.isFresh(pfn) ? chunk.popFresh(pfn) : this.memory.frames.zoneDeviceData(pfn);
    }
    this.unlock();
    return pfn;
  }

  /** Puts a freed unit back. The caller holds dev_lock. */
  pushLocked(pfn: number): void {
    this.memory.kernel.assertHeld(LockClass.devLock);
    this.memory.frames.setZoneDeviceData(pfn, this.head);
    this.head = pfn;
  }

  /** All of a new chunk is free. */
  addChunk(chunk: DmirrorChunk): void {
    chunk.belowFresh = this.head;
    this.head = chunk.endPfn - this.unitPages;
  }

  /**
   * Takes every unit of `chunk` off the list; the caller holds dev_lock. What is in front of the chunk's last one goes with it: that is of
   * chunks that are removed next. Linux: part of lib/test_hmm.c:dmirror_remove_free_pages()
   */
  removeChunkLocked(chunk: DmirrorChunk): void {
    this.memory.kernel.assertHeld(LockClass.devLock);
    for (let pfn = this.head; pfn !== 0; ) {
      const isOfChunk = chunk.holds(pfn);
      pfn = this.next(pfn);
      if (isOfChunk) this.head = pfn;
    }
  }

  clear(): void {
    this.head = 0;
  }

  /** Free pages, counted. */
  countPages(): number {
    let count = 0;
    for (let pfn = this.head; pfn !== 0; pfn = this.next(pfn)) {
      const chunk = this.chunkOf(pfn);
      count += chunk.isFresh(pfn) ? pfn + this.unitPages - chunk.firstPfn : this.unitPages;
    }
    return count;
  }

  lock(): void {
    // Every section changes the lists, and which chunk they are in.
    this.memory.kernel.observer?.touch(Shared.freeDevicePages, this.minor, Access.write, 1);
    this.memory.kernel.lockAcquired(LockClass.devLock, 'dev_lock');
  }

  unlock(): void {
    this.memory.kernel.lockReleased(LockClass.devLock, 'dev_lock');
  }

  /** What follows `pfn`, or the whole run of never used memory that it begins. */
  private next(pfn: number): number {
    const chunk = this.chunkOf(pfn);
    return chunk.isFresh(pfn) ? chunk.belowFresh : this.memory.frames.zoneDeviceData(pfn);
  }
}
