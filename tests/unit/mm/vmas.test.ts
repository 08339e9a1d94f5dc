import fc from 'fast-check';
import { test } from 'vitest';
import { doMadvise } from '../../../driver/mm/vmas/madvise.js';
import { doMprotectPkey } from '../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../driver/mm/vmas/mremap.js';
import { vmMunmap } from '../../../driver/mm/vmas/munmap.js';
import { MADV_DONTNEED, MADV_FREE, MADV_NOHUGEPAGE, MREMAP_FIXED, MREMAP_MAYMOVE } from '../../../uapi/mman.js';
import { runs } from '../../counts.js';
import { BASE, PAGE, RW, TestMachine } from '../test-machine.js';

/** Pages of the test's area: two 2 MiB parts and a bit, looked at only where it is interesting. */
const AREA = 1100;

const range = fc.tuple(
  fc.constantFrom(0, 1, 100, 510, 512, 513, 700, 1024, 1030),
  fc.constantFrom(1, 2, 12, 412, 512, 513, 1024),
);

const op = fc.record({
  kind: fc.constantFrom('map', 'unmap', 'protect-r', 'protect-rw', 'touch', 'move', 'dontneed', 'free', 'nohuge'),
  range,
  to: fc.constantFrom(0, 2, 512, 600, 1024, 2048, 2049),
});

/** What a program expects: a missing page is unmapped, 0 was not written since. */
class Model {
  readonly pages = new Map<number, { value: number; isWritable: boolean }>();

  each(at: number, n: number, change: (page: number) => void): void {
    for (let page = at; page < at + n; page++) if (this.pages.has(page)) change(page);
  }
}

function step(
  world: TestMachine,
  model: Model,
  { kind, range: [at, n], to }: typeof op extends fc.Arbitrary<infer T> ? T : never,
) {
  const { mm } = world;
  const addr = BASE + at * PAGE;
  const len = n * PAGE;
  switch (kind) {
    case 'map':
      world.anon(at, n);
      for (let page = at; page < at + n; page++) model.pages.set(page, { value: 0, isWritable: true });
      return;
    case 'unmap':
      world.run(vmMunmap(mm, addr, len));
      model.each(at, n, (page) => model.pages.delete(page));
      return;
    case 'protect-r':
    case 'protect-rw': {
      const isWritable = kind === 'protect-rw';
      world.run(doMprotectPkey(mm, addr, len, isWritable ? RW : 1));
      for (let page = at; page < at + n && model.pages.has(page); page++)
        model.pages.get(page)!.isWritable = isWritable;
      return;
    }
    case 'touch':
      for (const page of [at, at + n - 1]) {
        world.store(page, page + 1);
        const known = model.pages.get(page);
        if (known?.isWritable) known.value = page + 1;
      }
      return;
    case 'move': {
      const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
      const result = world.run(mremap(mm, { addr, oldLen: len, newLen: len, flags, newAddr: BASE + to * PAGE }));
      // A bad source is noticed after the destination was unmapped, unless the two overlap.
      const overlap = at < to + n && to < at + n;
      if (!overlap && model.pages.has(at)) model.each(to, n, (page) => model.pages.delete(page));
      if (result < 0) return;
      for (let page = at; page < at + n; page++) {
        model.pages.set(to + page - at, model.pages.get(page)!);
        model.pages.delete(page);
      }
      return;
    }
    case 'dontneed':
    case 'free':
    case 'nohuge': {
      const advice = { dontneed: MADV_DONTNEED, free: MADV_FREE, nohuge: MADV_NOHUGEPAGE }[kind];
      world.run(doMadvise(mm, addr, len, advice));
      if (kind === 'dontneed') model.each(at, n, (page) => (model.pages.get(page)!.value = 0));
      return;
    }
  }
}

function compare(world: TestMachine, model: Model): void {
  for (const page of [
    0, 1, 2, 3, 99, 100, 101, 511, 512, 513, 600, 699, 700, 1023, 1024, 1029, 1030, 1099, 2048, 2049,
  ]) {
    const expected = model.pages.get(page)?.value ?? 'maperr';
    const actual = world.load(page);
    if (actual !== expected) throw new Error(`page ${page} holds ${actual}, not ${expected}`);
  }
}

/** Bits of the orders below 2 MiB that are enabled in a run. */
const sizes = fc.constantFrom(0, 0b100, 0b10100, 0b100010100);

test.each(['always', 'madvise'] as const)(
  'memory holds what was written, THP %s',
  (thpEnabled) => {
    fc.assert(
      fc.property(fc.array(op, { minLength: 3, maxLength: 14 }), sizes, (ops, always) => {
        const world = new TestMachine({ thpEnabled, ramBytes: 128 << 20 });
        world.memory.thpOrders = { ...world.memory.thpOrders, always };
        const model = new Model();
        world.anon(0, AREA);
        for (let page = 0; page < AREA; page++) model.pages.set(page, { value: 0, isWritable: true });
        for (const each of ops) {
          step(world, model, each);
          world.check();
        }
        compare(world, model);
        world.check();
        world.run(vmMunmap(world.mm, BASE, 8192 * PAGE));
        world.check();
        if (world.memory.tables.inUse !== 1) throw new Error(`${world.memory.tables.inUse} tables are left`);
        const { anon, swap } = world.mm.rss;
        if (anon !== 0 || swap !== 0) throw new Error(`rss ${anon} ${swap} is left`);
      }),
      runs(8, 60),
    );
  },
  60_000,
);
