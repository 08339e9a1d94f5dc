import type { Coroutine } from '../core/effect.js';
import { Access, NUMBERED, Shared } from '../core/observer.js';
import type { WaitQueue } from '../core/wait-queue.js';
import type { MachineKernel } from '../inject/machine-kernel.js';
import type { AddressSpace } from './files/address-space.js';
import type { AnonVma } from './frames/anon-vma.js';
import { FrameAllocator } from './frames/frame-allocator.js';
import { Frames, PAGE_SIZE } from './frames/frames.js';
import { KernelMemory } from './frames/kernel-memory.js';
import { ObservedFrames } from './frames/observed-frames.js';
import type { DevPagemap } from './frames/pagemap.js';
import { Ram } from './frames/ram.js';
import { HugetlbPool } from './huge/hugetlb-pool.js';
import { khugepagedDoScan } from './huge/khugepaged.js';
import { Khugepaged } from './huge/khugepaged-state.js';
import { MthpStats } from './huge/mthp-stats.js';
import { DEFAULT_THP_ORDERS } from './huge/thp-policy.js';
import type { InvariantCounts } from './invariant-counts.js';
import { DEFAULT_PROFILE, type KernelProfile } from './profile.js';
import { SwapArea } from './swap/swap-area.js';
import { TablePool } from './tables/page-table.js';
import { WalkStats } from './tables/walk-stats.js';
import type { Mm } from './vmas/mm.js';

/** Operation tables that upper layers register, so that mm can call them without knowing them. */
export interface MemoryHooks {
  /** GUP with FOLL_LONGTERM met a coherent page: move it to system memory. 0 or -EBUSY. The caller's reference is consumed. */
  migrateDeviceCoherentFolio(pfn: number): Coroutine<number>;
}

export interface MemoryOptions {
  readonly ramBytes: number;
  readonly coherentBytes: number;
  readonly privateFrames: number;
  readonly swapBytes: number;
  readonly hugePages: number;
  readonly thpEnabled: 'always' | 'madvise' | 'never';
  /** 6.12's when left out. */
  readonly profile?: KernelProfile;
}

/** What frame 0 of a PC begins with: the first interrupt vector of real mode. */
const REAL_MODE_VECTOR = 0xf000ff53;

/** What all address spaces of a machine share: RAM, frames, page table pages, swap, hugetlb pages, rmap objects. */
export class Memory {
  readonly ram: Ram;
  /** RAM followed by the coherent windows: frame `pfn` of either has its bytes at `pfn * PAGE_SIZE`. */
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly frames: Frames;
  readonly allocator: FrameAllocator;
  readonly kernelMemory: KernelMemory;
  readonly tables: TablePool;
  readonly swap: SwapArea;
  readonly hugetlb: HugetlbPool;
  khugepaged = new Khugepaged(khugepagedDoScan);
  readonly stats = new WalkStats();
  readonly profile: KernelProfile;
  /** Mappings that one address space may have. Linux: sysctl_max_map_count */
  maxMapCount = 65530;
  /**
   * How often an access is tried again while its faults say "done" and change nothing, before it is given up.
   * Linux has no such bound: a driver that never brings a page back is faulted for ever (Q18 lifts it).
   */
  maxRefaults = 1000;
  /** Live address spaces, for checkInvariants. */
  readonly mms = new Set<Mm>();
  readonly pagemaps: (DevPagemap | null)[] = [];
  /** By id; index 0 is never used. Freed ids are not used again within a life. */
  readonly anonVmas = new Map<number, AnonVma>();
  readonly mappings = new Map<number, AddressSpace>();
  private nextMappingId = 1;
  private nextMmId = 1;
  hooks: MemoryHooks | null = null;
  thpEnabled: MemoryOptions['thpEnabled'];
  /** The same for each size alone. */
  thpOrders = DEFAULT_THP_ORDERS;
  mthpStats = new MthpStats();
  /** Read faults map the huge zero folio. Linux: TRANSPARENT_HUGEPAGE_USE_ZERO_PAGE_FLAG */
  usesHugeZero = true;
  /** Head of the huge zero folio, 0 before its first use. */
  hugeZeroPfn = 0;
  /** Room for checkInvariants to count in, made with its first call. */
  invariantCounts: InvariantCounts | null = null;
  /** References that pipes have, by page. */
  readonly pipePages = new Map<number, number>();
  readonly pageWaiters = new Map<number, WaitQueue>();
  /** Who waits for a reference to a folio to go, by its head: only under an explorer, see `waitForOthers`. */
  readonly refWaiters = new Map<number, { readonly queue: WaitQueue; mapcount: number }>();
  /** Whom the CLEAR events of the unmap step and of a PMD split name: nobody, but on a migration path that says otherwise. */
  clearOwner: () => object | null = () => null;
  /** Who waits for a folio's lock may hold others, or that one itself: on migration paths that may sleep with prepared pages. */
  nestsFolioLocks = false;

  constructor(
    readonly kernel: MachineKernel,
    readonly options: MemoryOptions,
  ) {
    const systemFrames = options.ramBytes / PAGE_SIZE;
    this.ram = new Ram(options.ramBytes + options.coherentBytes);
    this.bytes = this.ram.bytes;
    this.words = this.ram.words;
    this.words[0] = REAL_MODE_VECTOR;
    this.ram.setWritten(0);
    this.frames = new Frames(systemFrames, options.coherentBytes / PAGE_SIZE, options.privateFrames, kernel);
    this.allocator = new FrameAllocator(this.frames, kernel.inject, kernel);
    this.kernelMemory = new KernelMemory(this.allocator);
    this.tables = new TablePool(kernel, this.kernelMemory);
    this.swap = new SwapArea(kernel, Math.floor(options.swapBytes / PAGE_SIZE));
    this.hugetlb = new HugetlbPool(this, options.hugePages);
    this.thpEnabled = options.thpEnabled;
    this.profile = options.profile ?? DEFAULT_PROFILE;
    kernel.onObserve.push((isObserved) => this.setObserved(isObserved));
  }

  newMmId(): number {
    this.kernel.observer?.touch(Shared.nextNumber, NUMBERED.mm, Access.write, 1);
    return this.nextMmId++;
  }

  newMappingId(): number {
    this.kernel.observer?.touch(Shared.nextNumber, NUMBERED.mapping, Access.write, 1);
    return this.nextMappingId++;
  }

  /** The bytes of `count` frames are about to change. What a guest's CPU stores through its TLB no observer is told. */
  contentChanges(pfn: number, count = 1): void {
    this.kernel.observer?.touch(Shared.content, pfn, Access.write, count);
    this.ram.setWritten(pfn, count);
  }

  /** They are about to become those of other frames, or zeroes, by Ram's own means. */
  contentIsReplaced(pfn: number, count = 1): void {
    this.kernel.observer?.touch(Shared.content, pfn, Access.write, count);
  }

  /** The same of bytes that are read. */
  contentIsRead(pfn: number, count = 1): void {
    this.kernel.observer?.touch(Shared.content, pfn, Access.read, count);
  }

  /** The objects that tasks share become ones that tell the observer, or plain ones again: no access has to ask. */
  private setObserved(isObserved: boolean): void {
    Object.setPrototypeOf(this.frames, isObserved ? ObservedFrames.prototype : Frames.prototype);
    this.tables.isObserved = isObserved;
    for (const mm of this.mms) mm.pageTable.setObserved(isObserved);
  }

  /**
   * Ends this life and begins the next one as if the machine were new. Costs what was used, not what exists: frames
   * are cleared when they are handed out, so their bytes stay. Device frames are the device's to reset.
   */
  reset(): void {
    for (const mm of this.mms) mm.pageTable.destroy();
    this.mms.clear();
    this.allocator.reset();
    this.kernelMemory.reset();
    this.swap.reset();
    this.hugetlb.reset();
    this.khugepaged = new Khugepaged(khugepagedDoScan);
    this.stats.reset();
    this.pagemaps.length = 0;
    this.anonVmas.clear();
    this.mappings.clear();
    this.nextMappingId = 1;
    this.nextMmId = 1;
    this.thpEnabled = this.options.thpEnabled;
    this.thpOrders = DEFAULT_THP_ORDERS;
    this.mthpStats = new MthpStats();
    this.usesHugeZero = true;
    this.hugeZeroPfn = 0;
    this.pipePages.clear();
    this.pageWaiters.clear();
    this.refWaiters.clear();
  }
}
