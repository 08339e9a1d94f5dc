import { describe, expect, it } from 'vitest';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { vmMunmap } from '../../../../driver/mm/vmas/munmap.js';
import { MADV_DONTNEED, MADV_NOHUGEPAGE, PROT_READ, PROT_WRITE } from '../../../../uapi/mman.js';
import { BASE, HUGE, PAGE, TestMachine } from '../../test-machine.js';

describe('huge page faults', () => {
  it('a write maps a 2 MiB page where the vma asked for it', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    expect(world.store(5, 7)).toBe('none');
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
    expect([world.load(5), world.load(6)]).toEqual([7, 0]);
    expect(world.mm.rss.anon).toBe(512);
  });

  it('takes the virtual time of clearing 2 MiB, at 16 KiB a microsecond', () => {
    const world = new TestMachine({ checked: true });
    const { clock } = world.kernel.scheduler;
    world.mapHuge(0, 512);
    world.map(1024, 1);
    const before = clock.nowTicks;
    world.store(1024, 1);
    const small = clock.nowTicks - before;
    world.store(0, 1);
    expect(small).toBeLessThan(16);
    expect(clock.nowTicks - before - 2 * small).toBe(512 / 4);
  });

  it('a read maps the huge zero page, and a write to that one small page', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    expect(world.load(3)).toBe(0);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE_ZERO');
    world.takeEvents();
    world.store(3, 9);
    expect(world.text(0, 512)).toBe('PTE 0-2 ZERO\nPTE 3 PRESENT W\nPTE 4-511 ZERO');
    expect(world.takeEvents()).toEqual(['CLEAR 0-512', 'CLEAR 3-4']);
  });

  it('the borders of the vma and NOHUGEPAGE make small pages', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(1, 512);
    world.store(1, 1);
    expect(world.text(1, 512)).toBe('PTE 0 PRESENT W\nPTE 1-510 NONE\nPUD 511 NONE'.replace('PUD', 'PMD'));
    world.map(1024, 512);
    world.advise(1024, 512, MADV_NOHUGEPAGE);
    world.store(1024, 1);
    expect(world.text(1024, 2)).toBe('PTE 0 PRESENT W\nPTE 1 NONE');
  });

  it('unmapping a part splits the entry, and the rest keeps its bytes', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    world.store(500, 5);
    world.takeEvents();
    expect(world.run(vmMunmap(world.mm, BASE, 256 * PAGE))).toBe(0);
    expect(world.text(0, 512)).toBe('PTE 0-255 NONE\nPTE 256-511 PRESENT W');
    expect(world.load(500)).toBe(5);
    expect(world.takeEvents()).toEqual(['CLEAR 0-512', 'UNMAP 0-256']);
  });

  it('mprotect of the whole keeps the entry huge, of a part splits it', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    world.store(0, 5);
    world.run(doMprotectPkey(world.mm, BASE, HUGE, 0));
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE PROTNONE');
    world.run(doMprotectPkey(world.mm, BASE, HUGE, PROT_READ | PROT_WRITE));
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
    world.run(doMprotectPkey(world.mm, BASE, PAGE, PROT_READ));
    expect(world.text(0, 512)).toBe('PTE 0 PRESENT R\nPTE 1-511 PRESENT W');
  });

  it('DONTNEED over the whole frees the page', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    const free = world.memory.allocator.freeFrames;
    world.store(0, 5);
    expect(world.memory.allocator.freeFrames).toBe(free - 512);
    world.advise(0, 512, MADV_DONTNEED);
    expect(world.text(0, 512)).toBe('PMD 0-511 NONE');
    expect(world.memory.allocator.freeFrames).toBe(free);
  });
});

describe('huge pages after fork', () => {
  it('both sides read the one page; the writer splits and copies 4 KiB', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    world.store(0, 5);
    const child = world.fork();
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE R');
    expect(world.text(0, 512, child)).toBe('PMD 0-511 HUGE R');
    world.store(1, 6);
    expect(world.text(0, 512)).toBe('PTE 0 PRESENT R\nPTE 1 PRESENT W\nPTE 2-511 PRESENT R');
    expect([world.load(1), world.load(1, child)]).toEqual([6, 0]);
    world.exit(child);
  });

  it('the last one left reuses the page whole', () => {
    const world = new TestMachine({ checked: true });
    world.mapHuge(0, 512);
    world.store(0, 5);
    world.exit(world.fork());
    world.store(0, 6);
    expect(world.text(0, 512)).toBe('PMD 0-511 HUGE W');
  });
});
