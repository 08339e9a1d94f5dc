import { describe, expect, it } from 'vitest';
import { cpuLoad } from '../../../../driver/mm/faults/access.js';
import { CLEAR_REFS, clearRefsWrite } from '../../../../driver/mm/tables/clear-refs.js';
import { pfnAt } from '../../../../driver/mm/tables/page-table-text.js';
import type { Tlb, TlbEntry } from '../../../../driver/mm/tables/tlb.js';
import { dupMmap, mmCreate } from '../../../../driver/mm/vmas/dup-mmap.js';
import { mmput } from '../../../../driver/mm/vmas/exit-mmap.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { BASE, PAGE, RW, TestMachine } from '../../test-machine.js';

/** Notes what it is told to forget, in pages from BASE, and holds what a test puts in. */
class NotingTlb implements Tlb {
  readonly told: string[] = [];
  readonly held: TlbEntry[] = [];

  drop(vpn: number, npages: number): void {
    const first = vpn - BASE / PAGE;
    this.told.push(npages === 1 ? `${first}` : `${first}-${first + npages}`);
  }

  localFlushTlbAll(): void {
    this.told.push('all');
  }

  entries(): Iterable<TlbEntry> {
    return this.held;
  }
}

class TlbWorld extends TestMachine {
  readonly tlb = new NotingTlb();

  constructor(npages = 8) {
    super({ thpEnabled: 'madvise' });
    this.mm.tlb = this.tlb;
    this.anon(0, npages);
  }

  take(): string[] {
    return this.tlb.told.splice(0);
  }

  protect(at: number, npages: number, prot: number): void {
    expect(this.run(doMprotectPkey(this.mm, BASE + at * PAGE, npages * PAGE, prot))).toBe(0);
  }
}

describe('the TLB is told', () => {
  it('nothing where entries or rights are only added', () => {
    const w = new TlbWorld();
    w.fill(0, 4);
    w.run(cpuLoad(w.mm, BASE + 5 * PAGE, new Uint8Array(1)));
    expect(w.take()).toEqual([]);
    w.protect(0, 2, PROT_READ);
    w.take();
    w.protect(0, 2, RW);
    // As pte_needs_flush() of riscv has it: a changed entry is flushed, whatever changed.
    expect(w.take()).toEqual(['0-2']);
    w.fill(0, 4);
    expect(w.take()).toEqual([]);
  });

  it('the page whose zero page a write replaces', () => {
    const w = new TlbWorld();
    w.run(cpuLoad(w.mm, BASE + 3 * PAGE, new Uint8Array(1)));
    w.fill(3);
    expect(w.take()).toEqual(['3']);
  });

  it('once of a protection, from the first to the last present page', () => {
    const w = new TlbWorld(600);
    w.fill(2);
    w.fill(5);
    w.fill(520);
    w.fill(200);
    w.protect(200, 400, PROT_READ);
    expect(w.take()).toEqual(['all']);
    w.protect(200, 400, RW);
    w.take();
    w.protect(1, 8, PROT_READ);
    expect(w.take()).toEqual(['2-6']);
    w.protect(100, 100, PROT_READ);
    expect(w.take()).toEqual([]);
    // Vma by vma; and more than 64 pages are all.
    w.fill(12);
    w.protect(0, 600, 0);
    expect(w.take()).toEqual(['2-6', '12', 'all']);
  });

  it('of unmapped pages, and of all when tables go', () => {
    const w = new TlbWorld();
    w.fill(0, 8);
    expect(w.advise(1, 2, MADV_DONTNEED)).toBe(0);
    expect(w.take()).toEqual(['1-3']);
    expect(w.run(vmMunmap(w.mm, BASE + 4 * PAGE, 2 * PAGE))).toBe(0);
    expect(w.take()).toEqual(['4-6']);
    expect(w.run(vmMunmap(w.mm, BASE, 8 * PAGE))).toBe(0);
    expect(w.take()).toEqual(['0-4', '6-8', 'all']);
  });

  it('of pages that lose their accessed or dirty bits', () => {
    const w = new TlbWorld();
    w.fill(0, 4);
    expect(w.advise(0, 2, MADV_COLD)).toBe(0);
    expect(w.take()).toEqual(['0-2']);
    expect(w.advise(0, 2, MADV_COLD)).toBe(0);
    expect(w.take()).toEqual([]);
    expect(w.advise(0, 4, MADV_FREE)).toBe(0);
    expect(w.take()).toEqual(['0-4']);
  });

  it('of all by a fork, once, and of the page that is copied afterwards', () => {
    const w = new TlbWorld();
    w.fill(0, 3);
    const child = mmCreate(w.memory);
    expect(w.run(dupMmap(child, w.mm))).toBe(0);
    expect(w.take()).toEqual(['all']);
    w.fill(1);
    expect(w.take()).toEqual(['1']);
    w.run(mmput(child));
    // Nobody else has the others: they become writable where they are.
    w.fill(0, 3);
    expect(w.take()).toEqual([]);
    w.check();
  });

  it('of the old place of a move, when something was there', () => {
    const w = new TlbWorld();
    w.fill(2);
    const move = (from: number, to: number): number =>
      w.run(
        mremap(w.mm, {
          addr: BASE + from * PAGE,
          oldLen: 2 * PAGE,
          newLen: 2 * PAGE,
          flags: MREMAP_MAYMOVE | MREMAP_FIXED,
          newAddr: BASE + to * PAGE,
        }),
      );
    expect(move(2, 100)).toBe(BASE + 100 * PAGE);
    expect(w.take()).toEqual(['2-4']);
    expect(move(4, 200)).toBe(BASE + 200 * PAGE);
    expect(w.take()).toEqual([]);
  });

  it('of hugetlb pages that move, are protected or go', () => {
    const w = new TlbWorld();
    w.anon(2048, 1024, { flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_HUGETLB });
    w.fill(2048);
    expect(w.take()).toEqual([]);
    const move = { addr: BASE + 2048 * PAGE, oldLen: 512 * PAGE, newLen: 512 * PAGE, newAddr: BASE + 4096 * PAGE };
    expect(w.run(mremap(w.mm, { ...move, flags: MREMAP_MAYMOVE | MREMAP_FIXED }))).toBe(move.newAddr);
    expect(w.take()).toEqual(['all']);
    w.protect(4096, 512, PROT_READ);
    expect(w.take()).toEqual(['all']);
    expect(w.run(vmMunmap(w.mm, move.newAddr, 512 * PAGE))).toBe(0);
    expect(w.take()).toEqual(['all']);
  });

  it('of all when pages were swapped out, before they are free', () => {
    const w = new TlbWorld();
    w.fill(0, 3);
    expect(w.advise(0, 3, MADV_PAGEOUT)).toBe(0);
    expect(w.text(0, 3)).toBe('PTE 0-2 SWAP');
    expect(w.take()).toEqual(['all', 'all', 'all']);
    expect(w.load(0)).toBe(1);
    expect(w.take()).toEqual([]);
  });

  it('of the 2 MiB of a huge page that is split or protected, and of all at a collapse', () => {
    const w = new TlbWorld(1024);
    w.advise(0, 1024, MADV_HUGEPAGE);
    w.fill(0);
    expect(w.text(0, 512)).toBe('PMD 0-511 HUGE W');
    expect(w.take()).toEqual([]);
    w.protect(0, 512, PROT_READ);
    expect(w.take()).toEqual(['0-512', 'all']);
    w.protect(0, 512, RW);
    w.take();
    w.protect(3, 1, PROT_READ);
    expect(w.take()).toEqual(['0-512', '3']);
    w.protect(3, 1, RW);
    w.take();
    expect(w.advise(0, 512, MADV_COLLAPSE)).toBe(0);
    expect(w.take()).toEqual(['all']);
    expect(w.advise(0, 512, MADV_DONTNEED)).toBe(0);
    expect(w.take()).toEqual(['all']);
    w.check();
  });
});

describe('frames', () => {
  it.each([
    ['MADV_DONTNEED', (w: TlbWorld) => w.advise(0, 2, MADV_DONTNEED)],
    ['munmap', (w: TlbWorld) => w.run(vmMunmap(w.mm, BASE, 8 * PAGE))],
  ])('are not free before the TLB has forgotten them and the notifiers know that all is over: %s', (_, unmap) => {
    const w = new TlbWorld();
    w.fill(0, 2);
    const pfns = [0, 1].map((at) => pfnAt(w.mm, BASE / PAGE + at));
    const references = () => pfns.map((pfn) => w.memory.frames.refcount(pfn)).join(' ');
    const seen: string[] = [];
    w.tlb.drop = () => void seen.push(`drop ${references()}`);
    w.mm.notifier = { ...w.mm.notifier!, invalidateRangeEnd: () => void seen.push(`end ${references()}`) };
    expect(unmap(w)).toBe(0);
    expect([...seen, references()]).toEqual(['drop 1 1', 'end 1 1', '0 0']);
  });
});

describe('the proof of a TLB', () => {
  const held = (w: TlbWorld, at: number, isStore: boolean, pfn = pfnAt(w.mm, BASE / PAGE + at)): void => {
    w.tlb.held.push({ vpn: BASE / PAGE + at, pfn, isStore });
  };

  it('accepts what the page table allows', () => {
    const w = new TlbWorld();
    w.fill(0);
    held(w, 0, false);
    held(w, 0, true);
    w.check();
  });

  it('accepts what was looked up before somebody forgot that the page was used, which flushes nothing', () => {
    const w = new TlbWorld();
    w.fill(0);
    held(w, 0, false);
    held(w, 0, true);
    w.take();
    w.run(clearRefsWrite(w.mm, CLEAR_REFS.all));
    expect(w.take()).toEqual([]);
    w.check();
  });

  it.each([
    [
      'another frame',
      (w: TlbWorld) => held(w, 0, false, 1),
      /lets loads at 0x1000000000 through to pfn 1, where the page table says PRESENT W/,
    ],
    [
      'a page that is gone',
      (w: TlbWorld) => held(w, 1, false, 5),
      /lets loads at 0x1000001000 through to pfn 5, where the page table says NONE/,
    ],
    [
      'stores to a read-only page',
      (w: TlbWorld) => {
        held(w, 0, true);
        w.protect(0, 1, PROT_READ);
      },
      /lets stores .* PRESENT R/,
    ],
  ])('finds %s', (_name, spoil, message) => {
    const w = new TlbWorld();
    w.fill(0);
    spoil(w);
    expect(() => w.check()).toThrow(message);
    w.mm.tlbFlushPending++;
    expect(() => w.check()).toThrow('a flush never came');
  });
});
