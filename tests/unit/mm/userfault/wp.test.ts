import { describe, expect, it } from 'vitest';
import { CLEAR_REFS, clearRefsWrite } from '../../../../driver/mm/tables/clear-refs.js';
import { Kind, Pte } from '../../../../driver/mm/tables/entry.js';
import { pteIndex } from '../../../../driver/mm/tables/page-table.js';
import { mwriteprotectRange } from '../../../../driver/mm/userfault/wp.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { MADV_DONTNEED, MADV_PAGEOUT, MAP_FIXED, MAP_SHARED, PROT_READ } from '../../../../uapi/mman.js';
import { UFFD_FEATURE } from '../../../../uapi/userfaultfd.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';
import { Serving } from './serving.js';

const WP = { flags: VM.uffdWp };

function protect(world: TestMachine, { ctx }: Serving, npages: number, enable = true): number {
  return world.run(mwriteprotectRange(ctx, { start: BASE, end: BASE + npages * PAGE }, enable));
}

/** Which of pages [0, npages) are protected or soft-dirty, as their entries say. */
function marked({ mm }: TestMachine, npages: number, bit: number): boolean[] {
  const table = mm.pageTable.pteTable(BASE / PAGE)!;
  return Array.from({ length: npages }, (_, i) => (table.lo(pteIndex(BASE / PAGE + i)) & bit) !== 0);
}

/** Who is asked takes the protection off. */
function letsWrite(serving: Serving): void {
  serving.serve = (page) =>
    mwriteprotectRange(serving.ctx, { start: BASE + page * PAGE, end: BASE + (page + 1) * PAGE }, false);
}

describe('write protection', () => {
  it('tells of a write, not of a read, and of no second one', () => {
    const world = new TestMachine({ checked: true });
    world.anon(0, 4);
    world.fill(0, 4);
    const serving = new Serving(world, 4, WP);
    letsWrite(serving);
    world.takeEvents();
    expect(protect(world, serving, 4)).toBe(0);
    expect(world.takeEvents()).toEqual(['PROTECTION_VMA 0-4']);
    expect(world.text(0, 4)).toBe('PTE 0-3 PRESENT R');
    world.load(1);
    expect([world.store(1, 7), world.store(1, 8), world.load(1)]).toEqual(['none', 'none', 8]);
    expect(serving.asked).toEqual(['wp 1']);
    expect(marked(world, 4, Pte.uffdWp)).toEqual([true, false, true, true]);
  });

  it('is taken off in silence where it is asynchronous, by a split of a 2 MiB entry too', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    world.fill(0);
    const serving = new Serving(world, 512, { ...WP, features: UFFD_FEATURE.wpAsync | UFFD_FEATURE.wpUnpopulated });
    protect(world, serving, 512);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE R');
    expect(world.store(3, 7)).toBe('none');
    expect(serving.asked).toEqual([]);
    expect(marked(world, 5, Pte.uffdWp)).toEqual([true, true, true, false, true]);
  });

  it('of what is not there needs a marker, which a file keeps when its page is unmapped', () => {
    const world = new TestMachine({ checked: true });
    const file = new TestFile(world.memory, 4);
    world.anon(0, 4, { file, flags: MAP_SHARED | MAP_FIXED });
    world.store(0, 5);
    const serving = new Serving(world, 4, WP);
    letsWrite(serving);
    protect(world, serving, 4);
    expect(world.text(0, 4)).toBe('PTE 0 PRESENT R\nPTE 1-3 MARKER');
    world.advise(0, 4, MADV_DONTNEED);
    expect(world.text(0, 4)).toBe('PTE 0-3 MARKER');
    expect([world.load(0), world.text(0, 4)]).toEqual([5, 'PTE 0 PRESENT R\nPTE 1-3 MARKER']);
    expect([world.store(0, 6), world.store(2, 7)]).toEqual(['none', 'none']);
    expect(serving.asked).toEqual(['wp 0', 'wp 2']);
  });

  it.each([['swap', (world: TestMachine) => world.advise(0, 2, MADV_PAGEOUT), 'PTE 0-1 SWAP']])(
    'survives %s',
    (_name, away, text) => {
      const world = new TestMachine({ checked: true });
      world.anon(0, 2);
      world.fill(0, 2);
      const serving = new Serving(world, 2, WP);
      letsWrite(serving);
      protect(world, serving, 2);
      away(world);
      expect([world.text(0, 2), marked(world, 2, Pte.uffdWp)]).toEqual([text, [true, true]]);
      world.store(1, 9);
      world.load(0);
      expect(serving.asked).toEqual(['wp 1']);
      expect(marked(world, 2, Pte.uffdWp)).toEqual([true, false]);
    },
  );
});

describe('write protection and the soft-dirty mark of pages that a device has', () => {
  /** Pages 0 to 3, of which 0 and 1 are protected, and soft-dirty again, and the others neither. */
  function deviceWorld() {
    const w = new DeviceMachine();
    w.anon(0, 4);
    w.fill(0, 4, 70);
    const serving = new Serving(w, 4, WP);
    letsWrite(serving);
    const file = w.open(0);
    w.run(clearRefsWrite(w.mm, CLEAR_REFS.softDirty));
    w.store(0, 70);
    w.store(1, 71);
    protect(w, serving, 2);
    return { w, serving, file };
  }

  it('go to private memory and come back', () => {
    const { w, serving, file } = deviceWorld();
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, 4).ret).toBe(0);
    expect(w.text(0, 4)).toBe('PTE 0-3 DPRIV-R');
    expect([marked(w, 4, Pte.uffdWp), marked(w, 4, Pte.softDirty)]).toEqual([
      [true, true, false, false],
      [true, true, false, false],
    ]);
    expect(w.command(file, 'MIGRATE_TO_SYS', 0, 4).ret).toBe(0);
    expect(marked(w, 4, Pte.uffdWp)).toEqual([true, true, false, false]);
    expect([w.store(0, 1), w.store(2, 2)]).toEqual(['none', 'none']);
    expect(serving.asked).toEqual(['wp 0']);
    w.check();
  });

  it('are changed on the device, and a CPU fault that brings a page home tells of a write', () => {
    const { w, serving, file } = deviceWorld();
    w.command(file, 'MIGRATE_TO_DEV', 0, 4);
    protect(w, serving, 4);
    expect(marked(w, 4, Pte.uffdWp)).toEqual([true, true, true, true]);
    expect(w.store(3, 5)).toBe('none');
    expect([serving.asked, w.load(3)]).toEqual([['wp 3'], 5]);
    w.check();
  });

  it('keep a device from exclusive access, whose fault may not wait, and survive it', () => {
    const { w, serving, file } = deviceWorld();
    expect(w.command(file, 'EXCLUSIVE', 0, 2).ret).toBeLessThan(0);
    protect(w, serving, 2, false);
    expect(w.command(file, 'EXCLUSIVE', 0, 2).ret).toBe(0);
    expect(w.text(0, 2)).toBe('PTE 0-1 DEXCL-W');
    protect(w, serving, 2);
    expect([w.text(0, 2), marked(w, 2, Pte.uffdWp)]).toEqual(['PTE 0-1 DEXCL-R', [true, true]]);
    expect(w.store(1, 9)).toBe('none');
    expect(serving.asked).toEqual(['wp 1']);
    w.check();
  });

  it.each([
    ['mprotect', (w: DeviceMachine) => w.run(doMprotectPkey(w.mm, BASE, 4 * PAGE, PROT_READ))],
    ['fork', (w: DeviceMachine) => void w.fork()],
    ['a protection', (w: DeviceMachine, serving: Serving) => void protect(w, serving, 4)],
  ])('of writable private memory: soft-dirty is lost by %s, the protection of a scan is not', (_what, takeRights) => {
    const { w, serving, file } = deviceWorld();
    protect(w, serving, 2, false);
    w.fill(0, 4, 70);
    w.command(file, 'MIGRATE_TO_DEV', 0, 4);
    const table = w.mm.pageTable.pteTable(BASE / PAGE)!;
    table.setLo(1, table.lo(1) | Pte.uffdWp);
    expect([w.text(0, 4), marked(w, 4, Pte.softDirty)]).toEqual(['PTE 0-3 DPRIV-W', [true, true, true, true]]);
    takeRights(w, serving);
    expect([w.text(0, 4), marked(w, 4, Pte.softDirty)]).toEqual(['PTE 0-3 DPRIV-R', [false, false, false, false]]);
    expect(marked(w, 2, Pte.uffdWp)[1]).toBe(true);
    w.check();
  });

  it('survive a change of rights in exclusive entries, but a writable migration entry loses the protection', () => {
    const w = new TestMachine();
    w.anon(0, 2);
    w.fill(0, 2);
    const table = w.mm.pageTable.pteTable(BASE / PAGE)!;
    const before = [0, 1].map((i) => [table.lo(i), table.hi(i)] as const);
    const bits = Pte.softDirty | Pte.uffdWp;
    [Kind.deviceExclusive, Kind.migration].forEach((kind, i) => {
      table.setLo(i, kind | Pte.write | bits);
    });
    w.run(doMprotectPkey(w.mm, BASE, 2 * PAGE, PROT_READ));
    expect([table.lo(0), table.lo(1)]).toEqual([
      Kind.deviceExclusive | bits,
      Kind.migration | Pte.exclusive | Pte.softDirty,
    ]);
    before.forEach(([lo, hi], i) => {
      table.set(i, lo, hi);
    });
    w.check();
  });

  it('are kept by 2 MiB on a device, but soft-dirty is lost with the right to write', () => {
    const w = new DeviceMachine({ profile: '7.3', thpEnabled: 'madvise' });
    w.mapHuge(0, 512);
    w.fill(0);
    const serving = new Serving(w, 512, WP);
    w.command(w.open(0), 'MIGRATE_TO_DEV', 0, 512);
    const lo = () => w.mm.pageTable.pmdTable(BASE / PAGE)!.lo(0) & (Pte.write | Pte.softDirty | Pte.uffdWp);
    expect([w.text(0, 512), lo()]).toEqual(['PMD 0-511 PMD-DPRIV-W', Pte.write | Pte.softDirty]);
    protect(w, serving, 512);
    expect(lo()).toBe(Pte.uffdWp);
    expect([w.load(3), w.text(0, 512), lo()]).toEqual([0, 'PMD 0-511 HUGE R', Pte.uffdWp]);
    w.check();
  });
});
