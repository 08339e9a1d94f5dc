import type { Coroutine } from '../../../driver/core/effect.js';
import {
  MigratePfn,
  MigrateSelect,
  MigrateVma,
  migrateVmaFinalize,
  migrateVmaPages,
  migrateVmaSetup,
  migrationPath,
} from '../../../driver/hmm/index.js';
import { registerHmmHooks } from '../../../driver/hmm/migrate/migrate-device.js';
import type { MachineKernel } from '../../../driver/inject/machine-kernel.js';
import { VM_FAULT } from '../../../driver/mm/faults/fault-code.js';
import { anonVmaPrepare } from '../../../driver/mm/frames/anon-rmap.js';
import { folioAddLru, folioSetLocked } from '../../../driver/mm/frames/folio.js';
import { ZERO_PFN } from '../../../driver/mm/frames/frame-allocator.js';
import { PAGE_SIZE, PG, Zone, type ZoneId } from '../../../driver/mm/frames/frames.js';
import type { DevPagemap } from '../../../driver/mm/frames/pagemap.js';
import { folioAddNewAnonRmap } from '../../../driver/mm/frames/rmap.js';
import type { Memory } from '../../../driver/mm/memory.js';
import { Kind, Pte } from '../../../driver/mm/tables/entry.js';
import { pteIndex } from '../../../driver/mm/tables/page-table.js';
import { VM } from '../../../driver/mm/vmas/vm-flags.js';
import { Vma } from '../../../driver/mm/vmas/vma.js';
import { insertVma } from '../../../driver/mm/vmas/vma-list.js';
import type { PathName } from '../../../uapi/path-name.js';
import { testKernel } from '../helpers.js';
import { TestMachine } from '../test-machine.js';

export const START = 0x10_0000_0000;
const CHUNK_PAGES = 512;

/** A device that hands out private or coherent pages from its last one down; what is in private ones is not kept. */
export class TestDevice {
  readonly owner = {};
  readonly freed: number[] = [];
  private next: number;

  constructor(
    readonly memory: Memory,
    readonly zone: ZoneId,
    firstPfn: number,
  ) {
    const pagemap: DevPagemap = {
      id: memory.pagemaps.length,
      zone,
      firstPfn,
      npages: CHUNK_PAGES,
      freshEnd: firstPfn,
      name: 'test',
      owner: this.owner,
      ops: {
        pageFree: (pfn) => this.freed.push(pfn),
        migrateToRam: (fault) => this.migrateToRam(fault),
        folioSplit: () => undefined,
      },
    };
    memory.pagemaps.push(pagemap);
    this.id = pagemap.id;
    this.next = firstPfn + CHUNK_PAGES;
  }

  private readonly id: number;

  /** Brings a private page back for a CPU fault. */
  private *migrateToRam({ vma, addr, pfn }: { vma: Vma; addr: number; pfn: number }): Coroutine<number> {
    const { memory } = this;
    const migrate = new MigrateVma(1, migrationPath(this.path)).request({
      vma,
      start: addr,
      end: addr + PAGE_SIZE,
      flags: MigrateSelect.devicePrivate,
      pgmapOwner: this.owner,
      faultPfn: pfn,
    });
    if ((yield* migrateVmaSetup(migrate)) !== 0) return VM_FAULT.sigbus;
    if (migrate.src[0]! & MigratePfn.migrate) {
      migrate.dstPfn[0] = memory.allocator.allocate();
      folioSetLocked(memory, migrate.dstPfn[0]!);
    }
    yield* migrateVmaPages(migrate);
    yield* migrateVmaFinalize(migrate);
    return 0;
  }

  path: PathName = 'classic';

  /** A page with one reference, not locked. */
  allocate(): number {
    const pfn = --this.next;
    this.memory.frames.prepare(pfn, this.zone, this.id);
    return pfn;
  }
}

/** One address space with one anonymous writable vma of `npages`, and two private and one coherent device. */
export class Fixture extends TestMachine {
  readonly vma: Vma;
  readonly device: TestDevice;
  readonly other: TestDevice;
  readonly coherent: TestDevice;

  constructor(
    readonly npages: number,
    kernel: MachineKernel = testKernel(),
  ) {
    super({
      kernel,
      listens: false,
      ramBytes: 6 << 20,
      coherentBytes: 2 << 20,
      privateFrames: 2 * CHUNK_PAGES,
      swapBytes: 64 << 10,
      hugePages: 0,
      thpEnabled: 'never',
    });
    registerHmmHooks(this.memory);
    const { frames } = this.memory;
    this.device = new TestDevice(this.memory, Zone.private, frames.firstPrivatePfn);
    this.other = new TestDevice(this.memory, Zone.private, frames.firstPrivatePfn + CHUNK_PAGES);
    this.coherent = new TestDevice(this.memory, Zone.coherent, frames.firstCoherentPfn);
    this.vma = this.addVma(START, START + npages * PAGE_SIZE);
  }

  addVma(start: number, end: number, flags: number = VM.read | VM.write): Vma {
    const all = flags | VM.mayread | VM.maywrite | VM.mayexec;
    const vma = new Vma(this.mm, start, end, all, start / PAGE_SIZE);
    const { mmapLock } = this.mm;
    this.run(
      (function* () {
        yield* mmapLock.writeLock();
        insertVma(vma);
        yield* anonVmaPrepare(vma);
        mmapLock.writeUnlock();
      })(),
    );
    return vma;
  }

  /** Runs `coroutine` with the mmap_lock held for read. */
  locked<T>(coroutine: Coroutine<T>): T {
    const { mmapLock } = this.mm;
    return this.run(
      (function* () {
        yield* mmapLock.readLock();
        const result = yield* coroutine;
        mmapLock.readUnlock();
        return result;
      })(),
    );
  }

  /** Writes an entry by hand; the halves stand for themselves. */
  setEntry(page: number, lo: number, hi = 0): void {
    const vpn = this.vma.start / PAGE_SIZE + page;
    this.mm.pageTable.pteTableAlloc(vpn).set(pteIndex(vpn), lo, hi);
  }

  /** Maps an exclusive anonymous page: a system page, or one of `device`. Its first word is `page + 100`. */
  mapPage(page: number, { write = true, device = null as TestDevice | null, dirty = true } = {}): number {
    const { memory } = this;
    const pfn = device === null ? memory.allocator.allocate() : device.allocate();
    folioAddNewAnonRmap(memory, pfn, this.vma, this.vma.start + page * PAGE_SIZE);
    memory.frames.setFlags(pfn, PG.uptodate);
    if (device === null) folioAddLru(memory, pfn);
    this.mm.rss.anon++;
    const isPrivate = device?.zone === Zone.private;
    if (!isPrivate) {
      memory.contentChanges(pfn);
      memory.words[(pfn * PAGE_SIZE) / 4] = page + 100;
    }
    const present = Kind.present | Pte.young | (dirty ? Pte.dirtied : 0);
    this.setEntry(page, (isPrivate ? Kind.devicePrivate : present) | (write ? Pte.write : 0), pfn);
    return pfn;
  }

  mapZero(page: number): void {
    this.setEntry(page, Kind.present | Pte.special, ZERO_PFN);
  }

  override text(at = 0, npages = this.npages): string {
    return super.text(at, npages);
  }

  /** A migration of the first `npages` pages of the vma. */
  migration(
    path: PathName,
    flags: number,
    { npages = this.npages, owner = this.device.owner, faultPfn = 0 } = {},
  ): MigrateVma {
    const end = START + npages * PAGE_SIZE;
    return new MigrateVma(npages, migrationPath(path)).request({
      vma: this.vma,
      start: START,
      end,
      flags,
      pgmapOwner: owner,
      faultPfn,
    });
  }

  /** The driver's step: a locked destination for every entry that still has MIGRATE. */
  allocateDst(migrate: MigrateVma, device: TestDevice | null): void {
    const { memory } = this;
    for (let i = 0; i < migrate.npages; i++) {
      if ((migrate.src[i]! & 2) === 0) continue;
      const pfn = device === null ? memory.allocator.allocate() : device.allocate();
      folioSetLocked(memory, pfn);
      migrate.dst[i] = 1;
      migrate.dstPfn[i] = pfn;
    }
  }

  /** All of a migration; answers setup's result. */
  migrate(migrate: MigrateVma, device: TestDevice | null): number {
    const self = this;
    return this.locked(
      (function* () {
        const error = yield* migrateVmaSetup(migrate);
        if (error !== 0) return error;
        self.allocateDst(migrate, device);
        yield* migrateVmaPages(migrate);
        yield* migrateVmaFinalize(migrate);
        return 0;
      })(),
    );
  }
}
