import { PAGE_SIZE } from '../../mm/frames/frames.js';
import type { Ram } from '../../mm/frames/ram.js';
import type { Insn } from '../isa/instruction.js';
import type { Core } from './core.js';

const WORDS_PER_PAGE = PAGE_SIZE / 4;
/** Pages of decoded code that are kept: behind them the cache starts afresh. */
const MAX_PAGES = 1024;

/** Code made of a region, and what it depends on. */
export interface CompiledRegion {
  readonly entry: number;
  readonly pages: readonly CodePage[];
  /** Where its code is in the core's table. */
  readonly slot: number;
  /** The cache's generation in which the pages were last found mapped. */
  checkedAt: number;
}

/** The decoded instructions of one page, at one address, with the bytes that they were decoded from. */
export class CodePage {
  /** By half-word of the page. */
  readonly insns: (Insn | undefined)[] = new Array<Insn | undefined>(PAGE_SIZE / 2);
  /** By half-word: how often control was transferred there. */
  readonly heat = new Uint16Array(PAGE_SIZE / 2);
  /** By half-word: what was compiled from there on; null where nothing can be. */
  readonly compiled = new Map<number, CompiledRegion | null>();
  /** Cleared when its bytes have changed: what was compiled from it must not be used any more. */
  isCurrent = true;
  /** When they were last compared with RAM. */
  private comparedAt: object | null = null;
  private readonly bytes: Uint8Array;

  constructor(
    readonly vpn: number,
    readonly pfn: number,
    private readonly words: Int32Array,
  ) {
    this.bytes = new Uint8Array(words.buffer, words.byteOffset, PAGE_SIZE);
  }

  /** The half-word at `index` of the page. */
  half(index: number): number {
    return (this.words[index >>> 1]! >>> ((index & 1) * 16)) & 0xffff;
  }

  matches(ram: Ram): boolean {
    if (this.comparedAt === ram.guardEpoch) return true;
    const start = this.pfn * PAGE_SIZE;
    if (Buffer.compare(this.bytes, ram.bytes.subarray(start, start + PAGE_SIZE)) !== 0) return false;
    ram.guard(this.pfn);
    this.comparedAt = ram.guardEpoch;
    return true;
  }
}

/**
 * Decoded code by frame and address, shared by all address spaces, so that a forked child finds its parent's. A page is
 * compared with RAM when it is mapped, which is after each shoot-down and each fence.i; guest stores to a frame that
 * holds code are noticed at once.
 */
export class CodeCache {
  lastVpn = -1;
  lastPage: CodePage | null = null;
  /** Changes with everything that may unmap or change a page: what was looked up before must be looked up again. */
  generation = 0;
  /** Transfers of control to an address before it is compiled; 0 compiles whatever runs. */
  hot = 50;
  /** Addresses that have been transferred to half as often. */
  readonly warm = new Set<number>();
  private readonly pages = new Map<number, CodePage>();
  private readonly mappedByVpn = new Map<number, CodePage>();
  private readonly watched: Uint8Array;
  private readonly words: Int32Array;

  constructor(
    private readonly ram: Ram,
    private readonly core: Core,
  ) {
    this.words = new Int32Array(ram.memory.buffer, ram.bytes.byteOffset);
    this.watched = new Uint8Array(this.words.length / WORDS_PER_PAGE);
  }

  unmapAll(): void {
    this.mappedByVpn.clear();
    this.changed();
  }

  private changed(): void {
    this.lastVpn = -1;
    this.lastPage = null;
    this.generation++;
    this.core.forgetJumps();
  }

  /** As `unmapAll`, for `npages` pages from `vpn` on. */
  unmap(vpn: number, npages: number): void {
    const { mappedByVpn } = this;
    let isAny = false;
    if (npages <= mappedByVpn.size) for (let n = 0; n < npages; n++) isAny = mappedByVpn.delete(vpn + n) || isAny;
    else for (const at of [...mappedByVpn.keys()]) if (at >= vpn && at < vpn + npages) isAny = mappedByVpn.delete(at);
    if (isAny) this.changed();
  }

  /** Pages that are fetched from without another look at the page table. */
  mappedPages(): Iterable<CodePage> {
    return this.mappedByVpn.values();
  }

  mapped(vpn: number): CodePage | null {
    const page = this.mappedByVpn.get(vpn);
    if (page === undefined) return null;
    this.lastVpn = vpn;
    this.lastPage = page;
    return page;
  }

  map(vpn: number, pfn: number): CodePage {
    const key = vpn * 2 ** 18 + (pfn % 2 ** 18);
    let page = this.pages.get(key);
    if (page === undefined || page.pfn !== pfn || !page.isCurrent || !page.matches(this.ram)) {
      if (page !== undefined) this.discard(page);
      if (this.pages.size >= MAX_PAGES) this.startAfresh();
      const from = pfn * WORDS_PER_PAGE;
      page = new CodePage(vpn, pfn, this.words.slice(from, from + WORDS_PER_PAGE));
      this.pages.set(key, page);
    }
    this.mappedByVpn.set(vpn, page);
    this.lastVpn = vpn;
    this.lastPage = page;
    return page;
  }

  /** Nothing is kept that was decoded, counted or compiled. */
  startAfresh(): void {
    for (const page of this.pages.values()) page.isCurrent = false;
    this.pages.clear();
    this.warm.clear();
    this.core.startAfresh();
    this.unmapAll();
  }

  /** Nothing that was made of the page is used any more. */
  private discard(page: CodePage): void {
    page.isCurrent = false;
    for (const region of page.compiled.values()) if (region !== null) this.core.remove(region.slot);
    page.compiled.clear();
  }

  /** What was compiled at `pc` is not used any more; until something else is, nothing can be. */
  forget(page: CodePage, pc: number): void {
    const at = (pc % PAGE_SIZE) >>> 1;
    const region = page.compiled.get(at);
    if (region != null) this.core.remove(region.slot);
    page.compiled.set(at, null);
  }

  /** Asks for `written` to be called about `pfn`; true when nobody had asked before. */
  watch(pfn: number): boolean {
    if (this.watched[pfn]) return false;
    this.watched[pfn] = 1;
    return true;
  }

  isWatched(pfn: number): boolean {
    return this.watched[pfn] === 1;
  }

  /** A store goes to a frame that held code: the code is fetched again, and stores are fast until then. */
  written(pfn: number): void {
    this.watched[pfn] = 0;
    this.unmapAll();
  }
}
