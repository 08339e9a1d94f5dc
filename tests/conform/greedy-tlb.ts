// A TLB of any size that takes all it can get: what a flush forgets to take away from it is found.

import type { Memory } from '../../driver/mm/memory.js';
import { KIND_MASK, Kind, Pte } from '../../driver/mm/tables/entry.js';
import type { Table } from '../../driver/mm/tables/page-table.js';
import type { Tlb, TlbEntry } from '../../driver/mm/tables/tlb.js';
import type { Mm } from '../../driver/mm/vmas/mm.js';

class GreedyTlb implements Tlb {
  private readonly loads = new Map<number, number>();
  private readonly stores = new Map<number, number>();
  /** Pages that it was told to forget and that it had; and how often it was told to forget all. */
  dropped = 0;
  droppedAll = 0;

  get size(): number {
    return this.loads.size + this.stores.size;
  }

  drop(vpn: number, npages: number): void {
    for (let page = vpn; page < vpn + npages; page++) {
      this.stores.delete(page);
      if (this.loads.delete(page)) this.dropped++;
    }
  }

  localFlushTlbAll(): void {
    this.droppedAll++;
    this.loads.clear();
    this.stores.clear();
  }

  *entries(): Iterable<TlbEntry> {
    for (const [vpn, pfn] of this.loads) yield { vpn, pfn, isStore: false };
    for (const [vpn, pfn] of this.stores) yield { vpn, pfn, isStore: true };
  }

  /** Takes every translation that hardware could have by now: of entries that were accessed, and for stores written. */
  fill({ pageTable }: Mm): void {
    this.fillFrom(pageTable.root, { level: 4, base: 0 });
  }

  private fillFrom(
    { rawEntries: entries, rawChildren: children }: Table,
    { level, base }: { level: number; base: number },
  ): void {
    const span = 512 ** (level - 1);
    for (let i = 0; i < 512; i++) {
      const lo = entries[2 * i]!;
      if (lo === Kind.none) continue;
      const child = children?.[i] ?? null;
      if (child !== null) this.fillFrom(child, { level: level - 1, base: base + i * span });
      else if ((lo & (KIND_MASK | Pte.young | Pte.protnone)) === (Kind.present | Pte.young)) {
        for (let n = 0; n < span; n++) this.take(base + i * span + n, lo, entries[2 * i + 1]! + n);
      }
    }
  }

  private take(vpn: number, lo: number, pfn: number): void {
    if (!this.loads.has(vpn)) this.loads.set(vpn, pfn);
    const isWritten = (lo & (Pte.write | Pte.dirty)) === (Pte.write | Pte.dirty);
    if (isWritten && !this.stores.has(vpn)) this.stores.set(vpn, pfn);
  }
}

/** Puts every address space on a core of its own, with all its translations taken. */
export function fillTlbs({ mms }: Memory): void {
  for (const mm of mms) {
    mm.tlb ??= new GreedyTlb();
    (mm.tlb as GreedyTlb).fill(mm);
  }
}
