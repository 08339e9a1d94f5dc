import { PAGE_SIZE } from '../mm/frames/frames.js';
import { addressOfFrame, type Ram } from '../mm/frames/ram.js';
import { TASK_SIZE } from '../mm/tables/page-table.js';
import type { Tlb, TlbEntry } from '../mm/tables/tlb.js';
import { CodeCache, type CodePage } from './compiler/code-cache.js';
import { Core } from './compiler/core.js';
import type { Cpu } from './cpu.js';
import { Access, type AccessKind, type CpuMemory } from './cpu-memory.js';
import { decode } from './isa/decode.js';
import type { Insn } from './isa/instruction.js';
import { Trap, type TrapCode } from './isa/trap.js';
import { Registers } from './registers.js';
import { At, ENTRIES } from './wasm/core-layout.js';

/** The reference alone, one instruction after the other; or with compiled code where the program is hot. The same happens on both. */
export type Tier = 'interp' | 'wasm';

/** Tags have clear low bits, so this one never matches. */
const NO_TAG = -1;
/** Words of all entries of one TLB. */
const TLB_WORDS = 4 * ENTRIES;
const ENTRY_MASK = TLB_WORDS - 4;
/** More than both TLBs have. */
const MOST_FILLED = 4 * ENTRIES;

/**
 * What a core has once, whichever thread it runs: views of the memory, the TLB, decoded code, the reservation of LR, the
 * registers of the thread that it runs. Without address space identifiers the TLB is emptied when another address space is
 * put on it; else by the kernel's shoot-downs alone (driver/mm/tables/tlb.ts).
 *
 * There are two TLBs, for what loads and what stores may use, direct-mapped by page number. An entry is four words: the
 * page's address in two halves, and what to add to a low address half for the place in the memory.
 */
export class Hart implements Tlb {
  readonly loads: Int32Array;
  readonly stores: Int32Array;
  readonly bytes: Uint8Array;
  readonly halves: Uint16Array;
  readonly words: Int32Array;
  readonly registers: Registers;
  readonly code: CodeCache;
  readonly core: Core;
  /** Results of a load. */
  lo = 0;
  hi = 0;
  /** Address of the last fault. */
  trapAddr = 0;
  /** Place that LR reserved, -1 without, and its size. */
  reserved = -1;
  reservedSize = 0;
  /** What LR read: SC also fails when the kernel has written there meanwhile. */
  reservedLo = 0;
  reservedHi = 0;
  cpu: Cpu | null = null;
  tier: Tier = 'wasm';
  private memory: CpuMemory | null = null;
  /** Where entries were put since all were forgotten: places of `loads`, and those of `stores` behind `TLB_WORDS`. */
  private filled: number[] = [];

  constructor(readonly ram: Ram) {
    const { buffer } = ram.memory;
    this.bytes = new Uint8Array(buffer);
    this.halves = new Uint16Array(buffer);
    this.words = new Int32Array(buffer);
    this.loads = new Int32Array(buffer, At.loads, TLB_WORDS).fill(NO_TAG);
    this.stores = new Int32Array(buffer, At.stores, TLB_WORDS).fill(NO_TAG);
    this.registers = new Registers(buffer);
    this.core = new Core(this);
    this.code = new CodeCache(ram, this.core);
  }

  /** Puts a thread on the core. Linux: part of kernel/sched/core.c:context_switch() */
  activate(cpu: Cpu): void {
    if (cpu !== this.cpu) {
      this.cpu?.leaveCore();
      this.cpu = cpu;
      cpu.enterCore(this.registers);
      this.reserved = -1;
    }
    const { memory } = cpu;
    if (memory === this.memory) return;
    this.memory?.attach(null);
    this.memory = memory;
    this.localFlushTlbAll();
    memory.attach(this);
  }

  localFlushTlbAll(): void {
    this.forgetAccesses();
    this.code.unmapAll();
  }

  private forgetAccesses(): void {
    this.dropFilled(0, TASK_SIZE / PAGE_SIZE);
    this.filled.length = 0;
  }

  drop(vpn: number, npages: number): void {
    if (npages > this.filled.length) this.dropFilled(vpn, npages);
    else {
      for (let page = vpn; page < vpn + npages; page++) {
        const i = (page << 2) & ENTRY_MASK;
        if (vpnAt(this.loads, i) === page) this.loads[i] = NO_TAG;
        if (vpnAt(this.stores, i) === page) this.stores[i] = NO_TAG;
      }
    }
    this.code.unmap(vpn, npages);
  }

  /** As `drop`, going through what there is. */
  private dropFilled(first: number, npages: number): void {
    for (const at of this.filled) {
      const tlb = at < TLB_WORDS ? this.loads : this.stores;
      const vpn = vpnAt(tlb, at % TLB_WORDS);
      if (vpn >= first && vpn < first + npages) tlb[at % TLB_WORDS] = NO_TAG;
    }
  }

  *entries(): Iterable<TlbEntry> {
    for (const tlb of [this.loads, this.stores]) {
      for (let i = 0; i < tlb.length; i += 4) {
        const vpn = vpnAt(tlb, i);
        if (vpn < 0) continue;
        const pfn = ((tlb[i]! + tlb[i + 2]!) >>> 0) / PAGE_SIZE - addressOfFrame(0) / PAGE_SIZE;
        yield { vpn, pfn, isStore: tlb === this.stores };
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
    if (this.code.watch(pfn)) this.forgetAccesses();
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
    const lo = (baseLo + offset) | 0;
    const hi = highOfSum(baseHi, baseLo, offset);
    const i = (lo >>> 10) & ENTRY_MASK;
    const { loads } = this;
    if (loads[i] !== (lo & (-4096 | (size - 1))) || loads[i + 1] !== hi) return this.loadSlow(hi, lo, size);
    this.read((lo + loads[i + 2]!) >>> 0, size);
    return Trap.budget;
  }

  /** Stores the low `size` bytes of `valueHi:valueLo`. */
  store(baseHi: number, baseLo: number, offset: number, size: number, valueLo: number, valueHi: number): TrapCode {
    const lo = (baseLo + offset) | 0;
    const hi = highOfSum(baseHi, baseLo, offset);
    const i = (lo >>> 10) & ENTRY_MASK;
    const { stores } = this;
    if (stores[i] !== (lo & (-4096 | (size - 1))) || stores[i + 1] !== hi)
      return this.storeSlow(hi, lo, size, valueLo, valueHi);
    this.write((lo + stores[i + 2]!) >>> 0, size, valueLo, valueHi);
    return Trap.budget;
  }

  loadSlow(addrHi: number, addrLo: number, size: number): TrapCode {
    const addr = unsigned(addrHi, addrLo);
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

  storeSlow(addrHi: number, addrLo: number, size: number, lo: number, hi: number): TrapCode {
    const addr = unsigned(addrHi, addrLo);
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

  /** The place in the memory behind `addr`, or -1 with `trapAddr` set. Fills the TLB on its way. */
  physical(addr: number, access: AccessKind): number {
    const vpn = Math.floor(addr / PAGE_SIZE);
    const pfn = this.page(vpn, access);
    if (pfn < 0) {
      this.trapAddr = addr;
      return -1;
    }
    if (access === Access.store) {
      this.ram.setWritten(pfn);
      if (this.code.isWatched(pfn)) this.code.written(pfn);
    }
    this.fill(vpn, pfn, access === Access.store ? this.stores : this.loads);
    return addressOfFrame(pfn) + (addr % PAGE_SIZE);
  }

  private fill(vpn: number, pfn: number, tlb: Int32Array): void {
    const i = (vpn << 2) & ENTRY_MASK;
    // Entries that were dropped may be here twice.
    if (this.filled.length >= MOST_FILLED) this.filled = [...new Set(this.filled)];
    if (tlb[i] === NO_TAG) this.filled.push(tlb === this.loads ? i : TLB_WORDS + i);
    tlb[i] = vpn << 12;
    tlb[i + 1] = Math.floor(vpn / 2 ** 20);
    tlb[i + 2] = addressOfFrame(pfn) - (vpn << 12);
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

/** The page of the entry at `i`, -1 where there is none. */
function vpnAt(tlb: Int32Array, i: number): number {
  const tag = tlb[i]!;
  return tag === NO_TAG ? -1 : (tag >>> 12) + tlb[i + 1]! * 2 ** 20;
}

/** The high half of a register plus a small offset. */
function highOfSum(hi: number, lo: number, offset: number): number {
  const low = (lo >>> 0) + offset;
  return low < 0 ? (hi - 1) | 0 : low > 0xffffffff ? (hi + 1) | 0 : hi;
}

/** Above 2^53 it is no user address, so lost low bits do no harm. */
function unsigned(hi: number, lo: number): number {
  return (hi >>> 0) * 2 ** 32 + (lo >>> 0);
}
