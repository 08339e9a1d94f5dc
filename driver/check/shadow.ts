import * as mman from '../../uapi/mman.js';
import { KIND_MASK, Kind } from '../mm/tables/entry.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Process } from '../sys/processes/process.js';
import type { Arena } from './arena.js';
import { contentOf, entryOf, holds, type PageBytes, ZERO_PAGE } from './content.js';

const PAGE_SIZE = 4096;

/** What page holds; `data` is never changed, only replaced. Null: not known. */
interface ShadowPage {
  data: PageBytes | null;
  /** What it may hold instead: a write that failed half way. */
  other: PageBytes | null;
  readonly isShared: boolean;
  onFork: 'copy' | 'none' | 'zero';
}

/** A page whose bytes are not what the program stored there. */
export class ContentError extends Error {
  override readonly name = 'ContentError';

  constructor(
    readonly pid: number,
    readonly addr: number,
    readonly byte: number,
    expected: number,
    actual: number,
  ) {
    super(
      `process ${pid}: page 0x${addr.toString(16)} holds ${actual} at byte ${byte}, the shadow copy has ${expected}`,
    );
  }
}

/**
 * What every private and shared anonymous page must hold, kept apart from the machine: made of the calls and their
 * results alone. Where a result does not say (a failed copy, calls that raced), a page is unknown until the next store.
 */
export class Shadow {
  private readonly maps = new Map<number, Map<number, ShadowPage>>();

  constructor(
    private readonly machine: Machine,
    private readonly arena: Arena,
  ) {}

  private map(pid: number): Map<number, ShadowPage> {
    let map = this.maps.get(pid);
    if (map === undefined) {
      map = new Map();
      this.maps.set(pid, map);
    }
    return map;
  }

  mapped(pid: number, range: { start: number; end: number }, { flags }: { flags: number }): void {
    const map = this.map(pid);
    const isAnonymous = (flags & mman.MAP_ANONYMOUS) !== 0;
    const isShared = (flags & mman.MAP_TYPE) !== mman.MAP_PRIVATE;
    for (let vpn = range.start / PAGE_SIZE; vpn < range.end / PAGE_SIZE; vpn++) {
      if (isAnonymous) map.set(vpn, { data: ZERO_PAGE, other: null, isShared, onFork: 'copy' });
      else map.delete(vpn);
    }
  }

  unmapped(pid: number, range: { start: number; end: number }): void {
    const map = this.map(pid);
    this.each(range, (vpn) => map.delete(vpn));
  }

  moved(pid: number, from: { start: number; end: number }, to: { start: number; end: number }, keeps: boolean): void {
    const map = this.map(pid);
    const pages = [];
    for (let vpn = from.start / PAGE_SIZE; vpn < from.end / PAGE_SIZE; vpn++) pages.push(map.get(vpn));
    this.each(from, (vpn) => {
      const page = map.get(vpn);
      if (keeps && page !== undefined) map.set(vpn, { ...page, data: page.isShared ? null : ZERO_PAGE, other: null });
      else map.delete(vpn);
    });
    const first = to.start / PAGE_SIZE;
    for (let i = 0; i < (to.end - to.start) / PAGE_SIZE; i++) {
      const page = pages[i];
      if (page !== undefined) map.set(first + i, page);
      else map.delete(first + i);
    }
  }

  /** Private memory is zero again; of shared memory only the mapping goes. */
  zapped(pid: number, range: { start: number; end: number }): void {
    const map = this.map(pid);
    this.each(range, (vpn) => {
      const page = map.get(vpn);
      if (page !== undefined && !page.isShared) Object.assign(page, { data: ZERO_PAGE, other: null });
    });
  }

  unknown(pid: number, start: number, sizeBytes: number): void {
    const map = this.map(pid);
    const end = Math.ceil((start + sizeBytes) / PAGE_SIZE) * PAGE_SIZE;
    this.each({ start: start - (start % PAGE_SIZE), end }, (vpn) => {
      const page = map.get(vpn);
      if (page !== undefined) Object.assign(page, { data: null, other: null });
    });
  }

  onFork(pid: number, range: { start: number; end: number }, onFork: ShadowPage['onFork']): void {
    const map = this.map(pid);
    this.each(range, (vpn) => {
      const page = map.get(vpn);
      if (page !== undefined) page.onFork = onFork;
    });
  }

  forked(parent: number, child: number): void {
    const copy = new Map<number, ShadowPage>();
    for (const [vpn, page] of this.map(parent)) {
      if (page.onFork === 'none') continue;
      if (page.isShared) copy.set(vpn, page);
      else copy.set(vpn, page.onFork === 'zero' ? { ...page, data: ZERO_PAGE, other: null } : { ...page });
    }
    this.maps.set(child, copy);
  }

  stored(pid: number, addr: number, bytes: Uint8Array): void {
    const map = this.map(pid);
    // Whoever stored may change its bytes once the call is done; pages are views of one copy.
    const room = this.arena.take(bytes.length);
    room.set(bytes);
    const copy = Buffer.from(room.buffer, room.byteOffset, room.length);
    for (let done = 0; done < bytes.length; ) {
      const at = addr + done;
      const offset = at % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - offset, bytes.length - done);
      const page = map.get(Math.floor(at / PAGE_SIZE));
      if (page !== undefined) storedIn(page, copy.subarray(done, done + length), offset);
      done += length;
    }
  }

  /** Pages of one process get what those of another (or the same) hold. With `isPartial` they may also keep theirs. */
  copied(
    from: { pid: number; addr: number },
    to: { pid: number; addr: number },
    { npages, isPartial }: { npages: number; isPartial: boolean },
  ): void {
    if (from.addr % PAGE_SIZE !== 0 || to.addr % PAGE_SIZE !== 0) {
      this.unknown(to.pid, to.addr, npages * PAGE_SIZE);
      return;
    }
    const source = this.map(from.pid);
    const target = this.map(to.pid);
    for (let i = 0; i < npages; i++) {
      const page = target.get(to.addr / PAGE_SIZE + i);
      if (page === undefined) continue;
      const given = source.get(from.addr / PAGE_SIZE + i);
      const data = given === undefined || given.other !== null ? null : given.data;
      if (isPartial) mayAlsoHold(page, data);
      if (!isPartial) Object.assign(page, { data, other: null });
    }
  }

  gone(pid: number): void {
    this.maps.delete(pid);
  }

  /** Compares what a load answered. */
  checkLoad(pid: number, addr: number, bytes: Uint8Array): void {
    const map = this.map(pid);
    const loaded = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      const at = addr + done;
      const offset = at % PAGE_SIZE;
      const length = Math.min(PAGE_SIZE - offset, bytes.length - done);
      const page = map.get(Math.floor(at / PAGE_SIZE));
      if (page?.data != null && page.other === null) {
        if (loaded.compare(page.data, offset, offset + length, done, done + length) !== 0) {
          const [seen, data] = [loaded.subarray(done, done + length), page.data.subarray(offset, offset + length)];
          throw mismatch(pid, at - offset, { seen, data, offset });
        }
      }
      done += length;
    }
  }

  /** Compares pages [start, end) of a process, or all pages of all, with the machine's. Throws ContentError. */
  check(only?: { pid: number; start: number; end: number }): void {
    if (only !== undefined) {
      const process = this.machine.process(only.pid);
      const map = this.maps.get(only.pid);
      if (process === null || map === undefined || !isAlive(process)) return;
      this.each(only, (vpn) => checkPage(process, vpn, map.get(vpn)));
      return;
    }
    for (const [pid, map] of this.maps) {
      const process = this.machine.process(pid);
      if (process === null || !isAlive(process)) continue;
      for (const [vpn, page] of map) checkPage(process, vpn, page);
    }
  }

  /** Where a tracked process has frame `pfn` mapped, or null. */
  findFrame(pfn: number): { pid: number; addr: number } | null {
    for (const [pid, map] of this.maps) {
      const process = this.machine.process(pid);
      if (process === null || !isAlive(process)) continue;
      for (const vpn of map.keys()) {
        const entry = entryOf(process.mm, vpn);
        const isPage = entry !== null && (entry.lo & KIND_MASK) !== Kind.none && (entry.lo & KIND_MASK) !== Kind.swap;
        if (isPage && entry.pfn === pfn) return { pid, addr: vpn * PAGE_SIZE };
      }
    }
    return null;
  }

  private each({ start, end }: { start: number; end: number }, visit: (vpn: number) => void): void {
    for (let vpn = start / PAGE_SIZE; vpn < end / PAGE_SIZE; vpn++) visit(vpn);
  }
}

/** `part` is at `offset` of the page now. The rest of a page that was not known is not known either. */
function storedIn(page: ShadowPage, part: Buffer, offset: number): void {
  const isWhole = part.length === PAGE_SIZE;
  if (!isWhole && (page.data === null || page.other !== null)) {
    Object.assign(page, { data: null, other: null });
    return;
  }
  if (isWhole) page.data = part;
  else {
    page.data = Buffer.from(page.data!);
    page.data.set(part, offset);
  }
  page.other = null;
}

/** A write that failed half way: the page has what it had, or this. More than two candidates are not kept. */
function mayAlsoHold(page: ShadowPage, data: PageBytes | null): void {
  const isNew = page.other === null || data === null || !page.other.equals(data);
  if (data === null || page.data === null || (page.other !== null && isNew))
    Object.assign(page, { data: null, other: null });
  else page.other = data;
}

function isAlive(process: Process): boolean {
  return process.state === 'running' && process.exitStatus === null && process.mm.users > 0;
}

function checkPage(process: Process, vpn: number, page: ShadowPage | undefined): void {
  if (page === undefined || page.data === null) return;
  if (holds(process.mm, vpn, page.data) !== false) return;
  const seen = contentOf(process.mm, vpn);
  if (seen === null || page.other?.equals(seen)) return;
  throw mismatch(process.pid, vpn * PAGE_SIZE, { seen, data: page.data, offset: 0 });
}

function mismatch(pid: number, addr: number, at: { seen: Uint8Array; data: Uint8Array; offset: number }): ContentError {
  let byte = 0;
  while (at.seen[byte] === at.data[byte]) byte++;
  return new ContentError(pid, addr, at.offset + byte, at.data[byte]!, at.seen[byte]!);
}
