import type { CommandName } from '../../uapi/dialect.js';
import { entryId } from '../core/observer.js';
import type { Command } from '../dmirror/index.js';
import { backingPfn } from '../mm/frames/folio.js';
import { PG } from '../mm/frames/frames.js';
import { tablesBelow } from '../mm/invariants.js';
import type { Memory } from '../mm/memory.js';
import { Kind, kindOf } from '../mm/tables/entry.js';
import type { Mm } from '../mm/vmas/mm.js';
import { vmaIsAnonymous } from '../mm/vmas/vma.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Call, Thread } from '../sys/processes/thread.js';
import { contentOf, entryOf, type PageBytes, ZERO_PAGE } from './content.js';
import { type RaceCall, rangeOf, type Writer, writersOf } from './race-writers.js';
import { ContentError } from './shadow.js';

const PAGE_SIZE = 4096;
/** Pages of one call that are looked at. */
const MOST_PAGES = 1024;

interface KeptPage {
  /** What the entry says: a frame, a page of a device, a slot of swap. */
  readonly pfn: number;
  /** Where its bytes are; -1 in swap. */
  readonly frame: number;
  readonly data: PageBytes;
  /** Reclaim may drop it, and then it holds zeroes. */
  readonly isLazyfree: boolean;
}

/** Private memory of one address space before the race: pages with an entry, and where others would hold zeroes. */
interface Before {
  readonly pages: ReadonlyMap<number, KeptPage>;
  readonly ranges: readonly { readonly start: number; readonly end: number }[];
}

/** From when to when somebody looked. */
interface Look {
  readonly begin: number;
  readonly end: number;
}
const AT_THE_END: Look = { begin: Number.POSITIVE_INFINITY, end: Number.POSITIVE_INFINITY };

/**
 * What private pages may hold after calls that raced, made of the state before, the calls and their results alone: what no call writes is as
 * it was, and anything else is what some call has stored that no later one has overwritten. What a load saw must have been there at
 * some moment while it ran.
 */
export class RaceShadow {
  private readonly before = new Map<Mm, Before>();
  /** By frame: the pages whose bytes it had. */
  private readonly placesOf = new Map<number, { mm: Mm; vpn: number }[]>();
  private readonly calls: RaceCall[] = [];
  private writers: readonly Writer[] = [];
  /** Pages that were looked at after this race, as ids of their entries. */
  private readonly proven = new Set<number>();
  private isListening = false;
  private readonly isStrict: boolean;

  /** Before a snapshot, which it is not part of. */
  constructor(private readonly machine: Machine) {
    this.isStrict = !machine.options.quirks.q20StaleMirror;
    machine.onCall = (thread, call) => this.called(thread, call);
    machine.onCommand = (name, of) => this.commanded(name, of);
  }

  /** What is in memory now is what each race begins with. */
  keep(): void {
    for (const mm of this.machine.memory.mms) {
      const pages = pagesOf(mm);
      this.before.set(mm, { pages, ranges: mm.vmas.filter(vmaIsAnonymous).map(({ start, end }) => ({ start, end })) });
      for (const [vpn, { frame }] of pages) {
        const places = this.placesOf.get(frame);
        if (places === undefined) this.placesOf.set(frame, [{ mm, vpn }]);
        else places.push({ mm, vpn });
      }
    }
  }

  begins(): void {
    this.calls.length = 0;
    this.isListening = true;
  }

  release(): void {
    this.machine.onCall = null;
    this.machine.onCommand = null;
  }

  /** After a race that has changed the bytes of these frames. Throws ContentError. */
  prove(changed: ReadonlySet<number>): void {
    this.isListening = false;
    const writers = writersOf(this.calls, this.isStrict);
    if (writers === null) return;
    this.writers = writers;
    this.proven.clear();
    for (const { thread, call, begin, end } of this.calls) {
      const bytes = call.name === 'load' ? call.result?.bytes : undefined;
      const addr = call.args[0] as number;
      if (bytes !== undefined) this.proveBytes({ mm: thread.process.mm, addr }, bufferOf(bytes), { begin, end });
    }
    for (const call of this.calls) {
      const range = rangeOf(call);
      if (range === null) continue;
      const first = Math.floor(range.start / PAGE_SIZE);
      const last = Math.min(Math.ceil(range.end / PAGE_SIZE), first + MOST_PAGES);
      for (let vpn = first; vpn < last; vpn++) this.provePage(range.mm, vpn, changed);
    }
    for (const pfn of changed) for (const { mm, vpn } of this.placesOf.get(pfn) ?? []) this.provePage(mm, vpn, changed);
  }

  private called(thread: Thread, call: Call): void {
    if (!this.isListening) return;
    const { scheduler } = this.machine.kernel;
    const previous = this.calls.findLast((other) => other.thread === thread);
    const one: RaceCall = { thread, call, begin: scheduler.steps, end: Number.POSITIVE_INFINITY, command: null };
    this.calls.push(one);
    call.onResult = () => {
      one.end = scheduler.steps;
      if (previous !== undefined) one.begin = Math.max(one.begin, previous.end);
    };
  }

  private commanded(name: CommandName, of: Command): void {
    const { current } = this.machine.kernel.scheduler;
    const running = this.calls.find(({ thread, call }) => thread.task === current && thread.currentCall === call);
    if (running !== undefined) running.command = { name, of };
  }

  private provePage(mm: Mm, vpn: number, changed: ReadonlySet<number>): void {
    const kept = this.before.get(mm);
    if (kept === undefined || mm.users === 0) return;
    const isWritten = this.writers.some(({ mm: of, start, end }) => of === mm && overlaps(start, end, vpn));
    const page = kept.pages.get(vpn);
    if (!isWritten && page !== undefined && !changed.has(page.frame) && entryOf(mm, vpn)?.pfn === page.pfn) return;
    const id = entryId(mm.id, vpn);
    if (this.proven.has(id)) return;
    this.proven.add(id);
    const vma = mm.vmaLookup(vpn * PAGE_SIZE);
    const seen = vma === null || !vmaIsAnonymous(vma) ? null : contentOf(mm, vpn);
    if (seen !== null) this.proveBytes({ mm, addr: vpn * PAGE_SIZE }, seen, AT_THE_END);
  }

  /** In parts that each writer writes as a whole or not at all. */
  private proveBytes({ mm, addr }: { mm: Mm; addr: number }, seen: PageBytes, look: Look): void {
    const end = addr + seen.length;
    const writers = this.writers.filter((one) => one.mm === mm && one.start < end && addr < one.end);
    if (writers.some((one) => this.isUnknown(one))) return;
    const cuts = new Set([addr, end]);
    for (let page = (Math.floor(addr / PAGE_SIZE) + 1) * PAGE_SIZE; page < end; page += PAGE_SIZE) cuts.add(page);
    for (const { start, end: to } of writers) for (const at of [start, to]) if (at > addr && at < end) cuts.add(at);
    const sorted = [...cuts].sort((a, b) => a - b);
    for (let i = 0; i + 1 < sorted.length; i++) {
      const [from, to] = [sorted[i]!, sorted[i + 1]!];
      const covering = writers.filter((one) => one.start <= from && to <= one.end);
      this.provePart({ mm, addr: from }, seen.subarray(from - addr, to - addr), { covering, look });
    }
  }

  private provePart(
    { mm, addr }: { mm: Mm; addr: number },
    seen: Uint8Array,
    { covering, look }: { covering: readonly Writer[]; look: Look },
  ): void {
    const isOver = (since: number): boolean =>
      covering.some(({ isSure, by }) => isSure && by.begin >= since && by.end <= look.begin);
    const allowed: Uint8Array[] = [];
    const vpn = Math.floor(addr / PAGE_SIZE);
    const before = this.pageBefore(mm, vpn);
    // A mapping of a file, or shared memory, holds that again after MADV_DONTNEED.
    if (before === null && (!isOver(-1) || covering.some(({ by }) => by.call.name === 'madvise'))) return;
    if (before !== null && !isOver(-1)) {
      allowed.push(partOf(before, addr, seen.length));
      if (this.keptPage(mm, vpn)?.isLazyfree) allowed.push(ZERO_PAGE.subarray(0, seen.length));
    }
    for (const writer of covering)
      if (writer.by.begin <= look.end && !isOver(writer.by.end)) allowed.push(this.written(writer, addr, seen.length));
    if (allowed.length === 0 || allowed.some((bytes) => bufferOf(bytes).equals(seen))) return;
    const byte = seen.findIndex((value, i) => value !== allowed[0]![i]);
    const { pid = 0 } = this.machine.allProcesses().find((process) => process.mm === mm) ?? {};
    const offset = addr % PAGE_SIZE;
    throw new ContentError(pid, addr - offset, offset + byte, allowed[0]![byte]!, seen[byte]!);
  }

  /** Also where it has its bytes from memory that somebody else writes. */
  private isUnknown({ holds, by }: Writer): boolean {
    if (holds === 'anything') return true;
    if (holds === 'zeroes' || holds instanceof Uint8Array) return false;
    const end = holds.addr + (by.command?.of.npages ?? 0) * PAGE_SIZE;
    const isPage = holds.addr % PAGE_SIZE === 0 && this.pageBefore(holds.mm, holds.addr / PAGE_SIZE) !== null;
    return !isPage || this.writers.some((one) => one.mm === holds.mm && one.start < end && holds.addr < one.end);
  }

  private written({ holds, start }: Writer, addr: number, length: number): Uint8Array {
    if (holds === 'zeroes' || holds === 'anything') return ZERO_PAGE.subarray(0, length);
    if (holds instanceof Uint8Array) return holds.subarray(addr - start, addr - start + length);
    const from = holds.addr + (addr - start);
    return partOf(this.pageBefore(holds.mm, Math.floor(from / PAGE_SIZE)) ?? ZERO_PAGE, from, length);
  }

  /** Null where it was no private memory. */
  private pageBefore(mm: Mm, vpn: number): PageBytes | null {
    const ranges = this.before.get(mm)?.ranges ?? [];
    const isPrivate = ranges.some(({ start, end }) => start <= vpn * PAGE_SIZE && vpn * PAGE_SIZE < end);
    return isPrivate ? (this.keptPage(mm, vpn)?.data ?? ZERO_PAGE) : null;
  }

  private keptPage(mm: Mm, vpn: number): KeptPage | undefined {
    return this.before.get(mm)?.pages.get(vpn);
  }
}

function overlaps(start: number, end: number, vpn: number): boolean {
  return start < (vpn + 1) * PAGE_SIZE && vpn * PAGE_SIZE < end;
}

function partOf(page: PageBytes, addr: number, length: number): Uint8Array {
  return page.subarray(addr % PAGE_SIZE, (addr % PAGE_SIZE) + length);
}

function bufferOf(bytes: Uint8Array): PageBytes {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function isFreedLazily({ frames }: Memory, pfn: number): boolean {
  return frames.isAnon(pfn) && (frames.flags(frames.head(pfn)) & (PG.swapbacked | PG.hugetlb)) === 0;
}

/** Private pages that have an entry, with a copy of what they hold. */
function pagesOf(mm: Mm): Map<number, KeptPage> {
  const pages = new Map<number, KeptPage>();
  for (const { table, level, base } of tablesBelow({ table: mm.pageTable.root, level: 4, base: 0 })) {
    const span = 512 ** (level - 1);
    for (let i = 0; i < 512 && level <= 2; i++) {
      const kind = kindOf(table.rawEntries[2 * i]!);
      if (kind === Kind.none || kind === Kind.table) continue;
      for (let vpn = base + i * span; vpn < base + (i + 1) * span; vpn++) {
        const vma = mm.vmaLookup(vpn * PAGE_SIZE);
        const data = vma === null || !vmaIsAnonymous(vma) ? null : contentOf(mm, vpn);
        if (data === null) continue;
        const { pfn } = entryOf(mm, vpn)!;
        const inFrame =
          kind === Kind.swap
            ? { frame: -1, isLazyfree: false }
            : { frame: backingPfn(mm.memory, pfn), isLazyfree: isFreedLazily(mm.memory, pfn) };
        pages.set(vpn, { pfn, ...inFrame, data: Buffer.from(data) });
      }
    }
  }
  return pages;
}
