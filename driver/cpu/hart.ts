import { PAGE_SIZE } from '../mm/frames/frames.js';
import { TASK_SIZE } from '../mm/tables/page-table.js';
import type { Tlb, TlbEntry } from '../mm/tables/tlb.js';
import { CodeCache, type CodePage } from './compiler/code-cache.js';
import type { Cpu } from './cpu.js';
import { Access, type AccessKind, type CpuMemory } from './cpu-memory.js';
import { decode } from './isa/decode.js';
import type { Insn } from './isa/instruction.js';
import { Trap, type TrapCode } from './isa/trap.js';

/** Entries of the TLB, direct-mapped by page number; each is four words. */
const TLB_ENTRIES = 1024;
/** Tags have clear low bits, so this one never matches. */
const NO_TAG = -1;

/**
 * What a core has once, whichever thread it runs: views of RAM, the TLB, decoded code, the reservation of LR. Without
 * address space identifiers the TLB is emptied when another address space is put on it; else by the kernel's shoot-downs
 * alone (driver/mm/tables/tlb.ts).
 *
 * TLB entry: the page's low address half if loads may use it, the same if stores may, the high address half, and what
 * to add to a low address half for the address in RAM. The first and last page of every 4 GiB are never cached: so an
 * access can be looked up by its base register's high half, as a carry always leads to the slow path.
 */
export class Hart implements Tlb {
  readonly tlb = new Int32Array(4 * TLB_ENTRIES).fill(NO_TAG);
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Int32Array;
  readonly code: CodeCache;
  /** Results of a load. */
  lo = 0;
  hi = 0;
  /** Address of the last fault. */
  trapAddr = 0;
  /** RAM address that LR reserved, -1 without, and its size. */
  reserved = -1;
  reservedSize = 0;
  /** What LR read: SC also fails when the kernel has written there meanwhile. */
  reservedLo = 0;
  reservedHi = 0;
  private memory: CpuMemory | null = null;
  private cpu: Cpu | null = null;

  constructor(ram: Uint8Array) {
    this.bytes = ram;
    this.halves = new Uint16Array(ram.buffer, ram.byteOffset, ram.byteLength >>> 1);
    this.words = new Int32Array(ram.buffer, ram.byteOffset, ram.byteLength >>> 2);
    this.code = new CodeCache(this.words);
  }

  /** Puts a thread on the core. Linux: part of kernel/sched/core.c:context_switch() */
  activate(cpu: Cpu): void {
    if (cpu !== this.cpu) this.reserved = -1;
    this.cpu = cpu;
    const { memory } = cpu;
    if (memory === this.memory) return;
    this.memory?.attach(null);
    this.memory = memory;
    this.localFlushTlbAll();
    memory.attach(this);
  }

  localFlushTlbAll(): void {
    this.tlb.fill(NO_TAG);
    this.code.unmapAll();
  }

  drop(vpn: number, npages: number): void {
    const { tlb } = this;
    for (let page = vpn; page < vpn + npages; page++) {
      const i = (page << 2) & (4 * TLB_ENTRIES - 1);
      const tag = page << 12;
      if ((tlb[i] === tag || tlb[i + 1] === tag) && tlb[i + 2] === Math.floor(page / 2 ** 20))
        tlb[i] = tlb[i + 1] = NO_TAG;
    }
    this.code.unmap(vpn, npages);
  }

  *entries(): Iterable<TlbEntry> {
    const { tlb } = this;
    for (let i = 0; i < tlb.length; i += 4) {
      for (const isStore of [false, true]) {
        const tag = tlb[i + (isStore ? 1 : 0)]!;
        if (tag === NO_TAG) continue;
        const vpn = (tag >>> 12) + tlb[i + 2]! * 2 ** 20;
        yield { vpn, pfn: (tag + tlb[i + 3]!) >>> 12, isStore };
      }
    }
    for (const { vpn, pfn } of this.code.mappedPages()) yield { vpn, pfn, isStore: false };
  }

  /** The instruction at `pc`, or null with `trapAddr` set when its bytes can't be fetched. */
  fetch(pc: number): Insn | null {
    const page = this.codePage(Math.floor(pc / PAGE_SIZE));
    if (page === null) return this.fetchFault(pc);
    const at = (pc % PAGE_SIZE) >>> 1;
    return page.insns[at] ?? this.decodeAt(page, pc);
  }

  /** The page of code at page number `vpn` of the running address space; null when it may not be executed. */
  codePage(vpn: number): CodePage | null {
    if (vpn === this.code.lastVpn) return this.code.lastPage;
    const known = this.code.mapped(vpn);
    if (known !== null) return known;
    const pfn = this.page(vpn, Access.fetch);
    if (pfn < 0) return null;
    // A page that is written through the TLB must not hold code: stores to code are noticed in the slow path.
    if (this.code.watch(pfn)) this.tlb.fill(NO_TAG);
    return this.code.map(vpn, pfn);
  }

  private fetchFault(addr: number): null {
    this.trapAddr = addr;
    return null;
  }

  private decodeAt(page: CodePage, pc: number): Insn | null {
    const at = (pc % PAGE_SIZE) >>> 1;
    const low = page.half(at);
    if ((low & 3) !== 3 || at + 1 < PAGE_SIZE / 2) {
      const insn = decode((low & 3) === 3 ? low | (page.half(at + 1) << 16) : low);
      page.insns[at] = insn;
      return insn;
    }
    // The second half is on a page of its own life, so an instruction that straddles is decoded each time.
    const next = this.codePage(Math.floor(pc / PAGE_SIZE) + 1);
    if (next === null) return this.fetchFault(pc + 2);
    return decode(low | (next.half(0) << 16));
  }

  private page(vpn: number, access: AccessKind): number {
    if (!(vpn >= 0 && vpn < TASK_SIZE / PAGE_SIZE)) return -1;
    return this.memory!.translate(vpn, access);
  }

  /** Loads 1, 2, 4 bytes zero-extended into `lo`, or 8 into `lo` and `hi`. The address is base plus offset. */
  load(baseHi: number, baseLo: number, offset: number, size: number): TrapCode {
    const a = (baseLo + offset) | 0;
    const i = (a >>> 10) & 0xffc;
    const { tlb } = this;
    if (tlb[i] === (a & (-4096 | (size - 1))) && tlb[i + 2] === baseHi) {
      this.read((a + tlb[i + 3]!) >>> 0, size);
      return Trap.budget;
    }
    return this.loadSlow(baseHi, baseLo, offset, size);
  }

  /** Stores the low `size` bytes of `hi:lo`. */
  store(baseHi: number, baseLo: number, offset: number, size: number, lo: number, hi: number): TrapCode {
    const a = (baseLo + offset) | 0;
    const i = (a >>> 10) & 0xffc;
    const { tlb } = this;
    if (tlb[i + 1] === (a & (-4096 | (size - 1))) && tlb[i + 2] === baseHi) {
      this.write((a + tlb[i + 3]!) >>> 0, size, lo, hi);
      return Trap.budget;
    }
    return this.storeSlow(baseHi, baseLo, offset, size, lo, hi);
  }

  loadSlow(baseHi: number, baseLo: number, offset: number, size: number): TrapCode {
    const addr = addressOf(baseHi, baseLo, offset);
    const first = this.physical(addr, Access.load);
    if (first < 0) return Trap.loadFault;
    if (addr % size === 0) {
      this.read(first, size);
      return Trap.budget;
    }
    const inFirst = PAGE_SIZE - (addr % PAGE_SIZE);
    const second = inFirst < size ? this.physical(addr + inFirst, Access.load) : 0;
    if (second < 0) return Trap.loadFault;
    this.lo = 0;
    this.hi = 0;
    for (let n = 0; n < size; n++) {
      const byte = this.bytes[n < inFirst ? first + n : second + n - inFirst]!;
      if (n < 4) this.lo |= byte << (8 * n);
      else this.hi |= byte << (8 * (n - 4));
    }
    return Trap.budget;
  }

  storeSlow(baseHi: number, baseLo: number, offset: number, size: number, lo: number, hi: number): TrapCode {
    const addr = addressOf(baseHi, baseLo, offset);
    const first = this.physical(addr, Access.store);
    if (first < 0) return Trap.storeFault;
    if (addr % size === 0) {
      this.write(first, size, lo, hi);
      return Trap.budget;
    }
    const inFirst = PAGE_SIZE - (addr % PAGE_SIZE);
    const second = inFirst < size ? this.physical(addr + inFirst, Access.store) : 0;
    if (second < 0) return Trap.storeFault;
    for (let n = 0; n < size; n++) {
      const byte = n < 4 ? lo >>> (8 * n) : hi >>> (8 * (n - 4));
      this.bytes[n < inFirst ? first + n : second + n - inFirst] = byte;
    }
    return Trap.budget;
  }

  /** The RAM address behind `addr`, or -1 with `trapAddr` set. Fills the TLB on its way. */
  physical(addr: number, access: AccessKind): number {
    const vpn = Math.floor(addr / PAGE_SIZE);
    const pfn = this.page(vpn, access);
    if (pfn < 0) {
      this.trapAddr = addr;
      return -1;
    }
    if (access === Access.store && this.code.isWatched(pfn)) this.code.written(pfn);
    this.fill(vpn, pfn, access);
    return pfn * PAGE_SIZE + (addr % PAGE_SIZE);
  }

  private fill(vpn: number, pfn: number, access: AccessKind): void {
    const inRegion = vpn % 2 ** 20;
    if (inRegion === 0 || inRegion === 2 ** 20 - 1) return;
    const { tlb } = this;
    const i = (vpn << 2) & (4 * TLB_ENTRIES - 1);
    const tag = vpn << 12;
    const hi = Math.floor(vpn / 2 ** 20);
    const addend = ((pfn << 12) - tag) | 0;
    const isSame = (tlb[i] === tag || tlb[i + 1] === tag) && tlb[i + 2] === hi && tlb[i + 3] === addend;
    if (!isSame) tlb[i] = tlb[i + 1] = NO_TAG;
    tlb[access === Access.store ? i + 1 : i] = tag;
    tlb[i + 2] = hi;
    tlb[i + 3] = addend;
  }

  private read(at: number, size: number): void {
    if (size === 8) {
      this.lo = this.words[at >>> 2]!;
      this.hi = this.words[(at >>> 2) + 1]!;
    } else if (size === 4) this.lo = this.words[at >>> 2]!;
    else this.lo = size === 2 ? this.halves[at >>> 1]! : this.bytes[at]!;
  }

  private write(at: number, size: number, lo: number, hi: number): void {
    if (size === 8) {
      this.words[at >>> 2] = lo;
      this.words[(at >>> 2) + 1] = hi;
    } else if (size === 4) this.words[at >>> 2] = lo;
    else if (size === 2) this.halves[at >>> 1] = lo;
    else this.bytes[at] = lo;
  }
}

/** The 64-bit sum as an unsigned number; above 2^53 it is no user address, so lost low bits do no harm. */
function addressOf(baseHi: number, baseLo: number, offset: number): number {
  const addr = (baseHi >>> 0) * 2 ** 32 + (baseLo >>> 0) + offset;
  if (addr < 0) return addr + 2 ** 64;
  return addr >= 2 ** 64 ? addr - 2 ** 64 : addr;
}
