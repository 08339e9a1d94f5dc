import { assert } from '../../core/assert.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { LockClass } from '../../core/lock-class.js';
import { Mutex } from '../../core/locks.js';
import { Access, Shared } from '../../core/observer.js';
import { InjectPoint } from '../../inject/inject-points.js';
import { folioPut, folioSetLocked } from '../../mm/frames/folio.js';
import { HPAGE_PMD_NR, HPAGE_PMD_ORDER, Zone, type ZoneId } from '../../mm/frames/frames.js';
import type { DevPagemapOps } from '../../mm/frames/pagemap.js';
import type { Memory } from '../../mm/memory.js';
import { MoveLog } from '../mirror/move-log.js';
import { DmirrorChunk } from './chunk.js';
import { FreeList } from './free-list.js';
import type { PrivateWindows } from './windows.js';

/** Stands where a minor number does. */
const ALL_DEVICES = 2 ** 20;

export interface DmirrorDeviceOptions {
  readonly minor: number;
  readonly zone: ZoneId;
  readonly chunkPages: number;
  /** Where chunks go: any free window for private memory, the one window at this pfn for coherent memory. */
  readonly place: PrivateWindows | number;
  readonly migrateToRam: DevPagemapOps['migrateToRam'];
  /** Q20. */
  readonly ignoresMoves: boolean;
}

/** One device: its chunks of memory and the lists of what is free in them. Linux: lib/test_hmm.c:struct dmirror_device */
export class DmirrorDevice {
  /** Protected by `devmemLock`, except that closing a file reads it without (as Linux does). */
  chunks: DmirrorChunk[] = [];
  readonly devmemLock: Mutex;
  /** Pages handed out and freed since the device exists; with the free list protected by dev_lock. */
  calloc = 0;
  cfree = 0;
  private readonly moves = new MoveLog();
  readonly minor: number;
  readonly zone: ZoneId;
  private readonly ops: DevPagemapOps;
  private readonly pages: FreeList;
  /** Folios of 2 MiB, in profiles that have such. */
  private readonly folios: FreeList;

  constructor(
    readonly memory: Memory,
    private readonly options: DmirrorDeviceOptions,
  ) {
    this.minor = options.minor;
    this.zone = options.zone;
    this.moves.isIgnored = options.ignoresMoves;
    this.ops = {
      pageFree: (pfn) => this.dmirrorDevmemFree(pfn),
      migrateToRam: options.migrateToRam,
      folioSplit: (pfn) => this.dmirrorDevmemFolioSplit(pfn),
    };
    this.devmemLock = new Mutex(memory.kernel, LockClass.devmemLock, `devmem_lock ${options.minor}`);
    this.pages = new FreeList(memory, (pfn) => this.chunkOf(pfn), options.minor, 1);
    this.folios = new FreeList(memory, (pfn) => this.chunkOf(pfn), options.minor, HPAGE_PMD_NR);
    this.addChunk(this.pages);
  }

  get isPrivate(): boolean {
    return this.zone === Zone.private;
  }

  /**
   * A page of the device, locked and with one reference; a private one has a backing page of system memory. 0 when there
   * is no memory of either kind. Linux: lib/test_hmm.c:dmirror_devmem_alloc_page()
   */
  dmirrorDevmemAllocPage(): Coroutine<number> {
    return this.alloc(this.pages);
  }

  /** As `allocPage` for a folio of 2 MiB with a backing folio. */
  allocFolio(): Coroutine<number> {
    return this.alloc(this.folios);
  }

  private *alloc(list: FreeList): Coroutine<number> {
    const { memory } = this;
    memory.kernel.mightSleep();
    const { inject } = memory.kernel;
    const isLarge = list === this.folios;
    const isAsked = inject.armed && !inject.isQuiet(InjectPoint.devicePageAlloc);
    if (isAsked && (yield* inject.reach(InjectPoint.devicePageAlloc)) !== 0) return 0;
    let backing = 0;
    if (this.isPrivate) {
      backing = isLarge ? memory.allocator.allocateHuge() : memory.allocator.allocate();
      if (backing === 0) return 0;
    }
    if (memory.kernel.scheduler.isFine) yield FINE.devLock;
    let pfn = list.pop();
    if (pfn === 0) pfn = yield* this.dmirrorAllocateChunk(list);
    if (pfn === 0) {
      if (backing !== 0) folioPut(memory, backing);
      return 0;
    }
    const chunk = this.chunkOf(pfn);
    chunk.inUse += list.unitPages;
    this.calloc += list.unitPages;
    const { zone } = this;
    const pagemap = chunk.pagemap.id;
    if (isLarge) memory.frames.prepareFolio(pfn, HPAGE_PMD_ORDER, { zone, pagemap });
    else memory.frames.prepare(pfn, zone, pagemap);
    folioSetLocked(memory, pfn);
    memory.frames.setZoneDeviceData(pfn, backing);
    return pfn;
  }

  /** Linux: lib/test_hmm.c:dmirror_devmem_free() */
  private dmirrorDevmemFree(head: number): void {
    const { frames } = this.memory;
    const npages = frames.folioNrPages(head);
    if (this.isPrivate) folioPut(this.memory, frames.zoneDeviceData(head));
    const chunk = this.chunkOf(head);
    const list = npages === 1 ? this.pages : this.folios;
    list.lock();
    if (!chunk.remove) {
      this.cfree += npages;
      list.pushLocked(head);
    }
    list.unlock();
    chunk.pagesFreed(npages);
  }

  /** Each page gets its page of the backing folio, and the file that is named there. Linux: lib/test_hmm.c:dmirror_devmem_folio_split() of 6.19 */
  private dmirrorDevmemFolioSplit(head: number): void {
    const { frames } = this.memory;
    const backing = frames.zoneDeviceData(head);
    const file = frames.zoneDeviceData(backing);
    frames.splitPage(backing);
    for (let i = 0; i < HPAGE_PMD_NR; i++) {
      frames.setZoneDeviceData(head + i, backing + i);
      frames.setZoneDeviceData(backing + i, file);
    }
  }

  /** The running task moves pages to or from the device. */
  noteMove(): void {
    const { observer, current } = this.memory.kernel;
    if (!this.moves.isIgnored) observer?.touch(Shared.deviceMoves, this.minor, Access.write, 1);
    this.moves.note(current.id);
  }

  latestMoveByOthers(): number {
    const { observer, current } = this.memory.kernel;
    if (!this.moves.isIgnored) observer?.touch(Shared.deviceMoves, this.minor, Access.read, 1);
    return this.moves.latestByOthers(current.id);
  }

  /** Pages of `chunk` that are handed out; whoever asks holds no dev_lock. */
  pagesInUse(chunk: DmirrorChunk): number {
    this.memory.kernel.observer?.touch(Shared.freeDevicePages, this.minor, Access.read | Access.lockless, 1);
    return chunk.inUse;
  }

  /** Takes all free memory of `chunk` off the lists and keeps later one away. Linux: lib/test_hmm.c:dmirror_remove_free_pages() */
  dmirrorRemoveFreePages(chunk: DmirrorChunk): void {
    this.memory.kernel.assertHeld(LockClass.devmemLock);
    this.pages.lock();
    chunk.remove = true;
    this.folios.removeChunkLocked(chunk);
    this.pages.removeChunkLocked(chunk);
    this.pages.unlock();
  }

  /** The end of RELEASE: every chunk is gone. The caller holds `devmemLock`. */
  forgetChunksLocked(): void {
    this.touchWindows();
    this.chunks = [];
    this.pages.clear();
    this.folios.clear();
  }

  /** Gives a chunk's place in the physical address space back; none of its pages is in use. Linux: part of mm/memremap.c:memunmap_pages() */
  unmapChunk(chunk: DmirrorChunk): void {
    this.memory.kernel.assertHeld(LockClass.devmemLock);
    assert(chunk.inUse === 0, 'a chunk with % pages in use is unmapped', chunk.inUse);
    this.touchWindows();
    this.memory.pagemaps[chunk.pagemap.id] = null;
    if (typeof this.options.place !== 'number') this.options.place.release(chunk.firstPfn);
  }

  /** Free pages, counted. */
  countFree(): number {
    return this.pages.countPages() + this.folios.countPages();
  }

  /** Back to the first moment: every page free and never used. */
  reset(): void {
    for (const chunk of this.chunks) {
      this.memory.frames.raw.refcount.fill(0, chunk.freshEnd, chunk.endPfn);
      // The machine's memory was reset before, and another device may have taken the id since.
      const { pagemaps } = this.memory;
      if (pagemaps[chunk.pagemap.id] === chunk.pagemap) pagemaps[chunk.pagemap.id] = null;
    }
    this.forgetChunksLocked();
    this.calloc = 0;
    this.cfree = 0;
    this.moves.reset();
    this.devmemLock.reset();
    this.addChunk(this.pages);
  }

  /** Makes a new chunk and takes its first unit. 0 when no place is left. Linux: lib/test_hmm.c:dmirror_allocate_chunk() */
  private *dmirrorAllocateChunk(list: FreeList): Coroutine<number> {
    const { inject } = this.memory.kernel;
    yield* this.devmemLock.lock();
    const isRefused = inject.armed && (yield* inject.reach(InjectPoint.deviceChunkAlloc)) !== 0;
    const isAdded = !isRefused && this.addChunk(list);
    this.devmemLock.unlock();
    return isAdded ? list.pop() : 0;
  }

  /** All its memory goes on `list`. */
  private addChunk(list: FreeList): boolean {
    const { place, chunkPages } = this.options;
    const { pagemaps } = this.memory;
    if (typeof place === 'number' && this.chunks.length > 0) return false;
    // Only a chunk that a test has made smaller than Linux's is no multiple of 2 MiB.
    if (chunkPages % list.unitPages !== 0) return false;
    this.touchWindows();
    const firstPfn = typeof place === 'number' ? place : place.take();
    if (firstPfn === 0) return false;
    let id = pagemaps.indexOf(null);
    if (id < 0) id = pagemaps.length;
    const pagemap = {
      id,
      zone: this.zone,
      firstPfn,
      npages: chunkPages,
      freshEnd: firstPfn + chunkPages,
      owner: this,
      name: `hmm_dmirror${this.minor}`,
      ops: this.ops,
    };
    pagemaps[id] = pagemap;
    const chunk = new DmirrorChunk(pagemap, list.unitPages, this.memory.frames);
    this.chunks.push(chunk);
    list.addChunk(chunk);
    return true;
  }

  /** Where chunks may go, and the ids of their pagemaps, are of all devices together. */
  private touchWindows(): void {
    this.memory.kernel.observer?.touch(Shared.freeDevicePages, this.minor, Access.write, 1);
    this.memory.kernel.observer?.touch(Shared.freeDevicePages, ALL_DEVICES, Access.write, 1);
  }

  private chunkOf(pfn: number): DmirrorChunk {
    for (const chunk of this.chunks) if (chunk.holds(pfn)) return chunk;
    assert(false, 'pfn % is in no chunk of device %', pfn, this.minor);
  }
}
