import { expect, test } from 'vitest';
import { accessRemoteVm } from '../../../../driver/mm/faults/access-remote-vm.js';
import { CLEAR_REFS, clearRefsWrite } from '../../../../driver/mm/tables/clear-refs.js';
import { Kind, type KindId, Pte } from '../../../../driver/mm/tables/entry.js';
import { pteIndex } from '../../../../driver/mm/tables/page-table.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { BASE, HUGE, PAGE, RW, TestMachine } from '../../test-machine.js';

const VPN = BASE / PAGE;

function entry(world: TestMachine, at: number): number {
  return world.mm.pageTable.pteTable(VPN + at)!.lo(pteIndex(VPN + at));
}

function isSoftDirty(world: TestMachine, at: number): boolean {
  return (entry(world, at) & Pte.softDirty) !== 0;
}

function clear(world: TestMachine, type: number = CLEAR_REFS.softDirty): void {
  world.run(clearRefsWrite(world.mm, type));
}

test('what is written is soft-dirty until it is cleared, and after the next write, with an event over everything', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0, 4);
  expect(isSoftDirty(world, 1)).toBe(true);
  world.takeEvents();
  clear(world);
  expect(world.takeEvents()).toHaveLength(1);
  expect(world.text(0, 4)).toBe('PTE 0-3 PRESENT R');
  world.fill(1);
  expect([0, 1, 2, 3].map((at) => isSoftDirty(world, at))).toEqual([false, true, false, false]);
  expect(world.text(0, 4)).toBe('PTE 0 PRESENT R\nPTE 1 PRESENT W\nPTE 2-3 PRESENT R');
  world.check();
});

test('mprotect gives back the right to write to written pages alone', () => {
  const world = new TestMachine();
  world.anon(0, 2);
  world.fill(0, 2);
  clear(world);
  world.fill(0);
  for (const prot of [1, RW]) world.run(doMprotectPkey(world.mm, BASE, 2 * PAGE, prot));
  expect(world.text(0, 2)).toBe('PTE 0 PRESENT W\nPTE 1 PRESENT R');
  world.check();
});

test('entries that are not present keep their rights and lose the mark', () => {
  const world = new TestMachine();
  world.anon(0, 4);
  world.fill(0, 4);
  const table = world.mm.pageTable.pteTable(VPN)!;
  const kinds: KindId[] = [Kind.devicePrivate, Kind.deviceExclusive, Kind.migration, Kind.swap];
  const kept = kinds.map((_, i) => [table.lo(i), table.hi(i)] as const);
  kinds.forEach((kind, i) => {
    table.setLo(i, kind | Pte.write | Pte.softDirty);
  });
  clear(world);
  expect(kinds.map((_, i) => table.lo(i))).toEqual(kinds.map((kind) => kind | Pte.write));
  kept.forEach(([lo, hi], i) => {
    table.set(i, lo, hi);
  });
  world.check();
});

test('a 2 MiB entry is tracked as one, and a split leaves each page what it was', () => {
  const world = new TestMachine();
  world.mapHuge(0, 512);
  world.fill(0);
  clear(world);
  expect(world.text(0, 512)).toBe('PMD 0-511 HUGE R');
  world.run(doMprotectPkey(world.mm, BASE + HUGE - PAGE, PAGE, 1));
  expect(isSoftDirty(world, 7)).toBe(false);
  world.check();
});

test('the other kinds forget only that pages were used', () => {
  const world = new TestMachine();
  world.anon(0, 1);
  world.fill(0);
  clear(world, CLEAR_REFS.mapped);
  expect(entry(world, 0) & Pte.young).toBe(Pte.young);
  clear(world, CLEAR_REFS.anon);
  expect(entry(world, 0) & (Pte.young | Pte.softDirty | Pte.write)).toBe(Pte.softDirty | Pte.write);
});

test('who may force a write gets a copy of its own in memory that can only be read', () => {
  const world = new TestMachine();
  world.anon(0, 1);
  world.run(doMprotectPkey(world.mm, BASE, PAGE, 1));
  const bytes = Uint8Array.of(1, 2, 3);
  const write = (force: boolean) => world.run(accessRemoteVm(world.mm, BASE + 5, { bytes, write: true, force }));
  expect(write(false)).toBe(0);
  expect(write(true)).toBe(3);
  expect(world.text(0, 1)).toBe('PTE 0 PRESENT R');
  const back = new Uint8Array(3);
  expect(world.run(accessRemoteVm(world.mm, BASE + 5, { bytes: back, write: false, force: false }))).toBe(3);
  expect(back).toEqual(bytes);
  world.check();
});
