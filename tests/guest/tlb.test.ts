import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Cpu } from '../../driver/cpu/cpu.js';
import type { MmCpuMemory } from '../../driver/cpu/cpu-memory.js';
import { Hart } from '../../driver/cpu/hart.js';
import { KIND_MASK, Kind, Pte } from '../../driver/mm/entry.js';
import type { Mm } from '../../driver/mm/mm.js';
import { pmdIndex, pteIndex } from '../../driver/mm/page-table.js';
import { GuestBuild, hasCompiler } from './compile.js';
import { runGuest } from './run.js';

/** The entry that maps `vpn`, and its frame. */
function entryOf(mm: Mm, vpn: number): { lo: number; pfn: number } {
  const pmd = mm.pageTable.pmdTable(vpn);
  if (pmd === null) return { lo: Kind.none, pfn: 0 };
  const leaf = pmd.children![pmdIndex(vpn)]!;
  const table = leaf ?? pmd;
  const i = 2 * (leaf === null ? pmdIndex(vpn) : pteIndex(vpn));
  const lo = table.entries[i]!;
  const isHuge = leaf === null && (lo & KIND_MASK) === Kind.present;
  return { lo, pfn: table.entries[i + 1]! + (isHuge ? vpn % 512 : 0) };
}

/** What the TLB allows and the page table does not, as text. */
function staleEntries({ tlb }: Hart, { mm }: MmCpuMemory): string[] {
  const stale: string[] = [];
  for (let i = 0; i < tlb.length; i += 4) {
    for (const store of [false, true]) {
      const tag = tlb[i + (store ? 1 : 0)]!;
      if (tag === -1) continue;
      const vpn = (tag >>> 12) + tlb[i + 2]! * 2 ** 20;
      const { lo, pfn } = entryOf(mm, vpn);
      const needed = Kind.present | Pte.young | (store ? Pte.write | Pte.dirty : 0);
      const allowed = (lo & (KIND_MASK | (needed & ~KIND_MASK) | Pte.protnone)) === needed;
      if (!allowed || (tag + tlb[i + 3]!) >>> 12 !== pfn) stale.push(`${store ? 'store' : 'load'} ${vpn.toString(16)}`);
    }
  }
  return stale;
}

describe.skipIf(!hasCompiler)('the TLB', () => {
  const build = new GuestBuild();
  let looks = 0;

  beforeAll(() => {
    const activate = Hart.prototype.activate;
    vi.spyOn(Hart.prototype, 'activate').mockImplementation(function (this: Hart, cpu: Cpu) {
      activate.call(this, cpu);
      looks++;
      expect(staleEntries(this, cpu.memory as MmCpuMemory)).toEqual([]);
    });
  });

  afterAll(() => {
    vi.restoreAllMocks();
    build.remove();
  });

  it.each(['race', 'ioctls', 'fork-storm', 'threads'])('never holds more than the page table says: %s', (name) => {
    looks = 0;
    expect(runGuest(build.compile(name)).status).toBe(0);
    expect(looks).toBeGreaterThan(10);
  });
});
