import { expect, it } from 'vitest';
import { PagemapRegions } from '../../../../driver/mm/tables/pagemap-regions.js';
import { type PagemapScan, pagemapScanRange } from '../../../../driver/mm/tables/pagemap-scan.js';
import { VM } from '../../../../driver/mm/vmas/vm-flags.js';
import { ENOSPC, EPERM } from '../../../../uapi/errno.js';
import { MADV_COLLAPSE, MADV_PAGEOUT, MAP_FIXED, MAP_SHARED } from '../../../../uapi/mman.js';
import { PAGE_IS, PM_SCAN } from '../../../../uapi/pm-scan.js';
import { UFFD_FEATURE } from '../../../../uapi/userfaultfd.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { BASE, PAGE, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';
import { Serving } from '../userfault/serving.js';

const ALL = 0xff;
const ASYNC = { flags: VM.uffdWp, features: UFFD_FEATURE.wpAsync | UFFD_FEATURE.wpUnpopulated };

/** What a scan of pages [0, npages) finds, as `first-last categories`; or its errno. */
function scan(
  world: TestMachine,
  npages: number,
  {
    room = 100 as number | null,
    maxPages = 1000,
    returnMask = ALL,
    ...options
  }: Partial<PagemapScan> & { room?: number | null; maxPages?: number; returnMask?: number } = {},
): { error: number; found: string[]; walkEnd: number } {
  const regions = new PagemapRegions(room, maxPages, returnMask);
  const range = { start: BASE, end: BASE + npages * PAGE };
  const { mm } = world;
  const asked: PagemapScan = { flags: 0, inverted: 0, mask: 0, anyof: 0, hasOutput: room !== null, ...options };
  const error = world.run(
    (function* () {
      yield* mm.mmapLock.readLock();
      const ret = yield* pagemapScanRange(mm, range, asked, regions);
      mm.mmapLock.readUnlock();
      return ret;
    })(),
  );
  const found = regions.take().map(({ start, end, categories }) => {
    const names = Object.entries(PAGE_IS).flatMap(([name, bit]) => (categories & bit ? [name] : []));
    return `${(start - BASE) / PAGE}-${(end - BASE) / PAGE} ${names.join(' ')}`;
  });
  return { error, found, walkEnd: regions.walkEnd === 0 ? 0 : (regions.walkEnd - BASE) / PAGE };
}

it('tells what pages are: present, of a file, zero, in swap, not there', () => {
  const world = new TestMachine({ checked: true });
  world.anon(0, 4);
  world.fill(0, 2);
  world.load(2);
  world.advise(1, 1, MADV_PAGEOUT);
  const file = new TestFile(world.memory, 1);
  world.anon(8, 1, { file, flags: MAP_SHARED | MAP_FIXED });
  world.store(8, 1);
  expect(scan(world, 9, { returnMask: ALL & ~PAGE_IS.softDirty }).found).toEqual([
    '0-1 written present',
    '1-2 written swapped',
    '2-3 written present pfnZero',
    '3-4 written',
    '8-9 written file present',
  ]);
  expect(scan(world, 9, { mask: PAGE_IS.file }).found).toHaveLength(1);
  expect(scan(world, 4, { inverted: PAGE_IS.present, mask: PAGE_IS.present, returnMask: 0 }).found).toEqual([
    '1-2 ',
    '3-4 ',
  ]);
});

it('finds what was written since it last protected it, 2 MiB at once as long as it can', () => {
  const world = new TestMachine({ checked: true });
  world.mapHuge(0, 512);
  world.fill(0);
  const { asked } = new Serving(world, 512, ASYNC);
  const written = {
    flags: PM_SCAN.wpMatching | PM_SCAN.checkWpAsync,
    mask: PAGE_IS.written,
    returnMask: PAGE_IS.written,
  };
  world.takeEvents();
  expect(scan(world, 512, written).found).toEqual(['0-512 written']);
  expect([world.text(0, 512), scan(world, 512, written).found]).toEqual(['PMD 0-511 HUGE R', []]);
  world.store(7, 1);
  world.store(8, 1);
  expect(scan(world, 512, written).found).toEqual(['7-9 written']);
  expect(scan(world, 512, { ...written, room: null }).found).toEqual([]);
  expect(asked).toEqual([]);
});

it('ends where there is no more room, and says where to go on', () => {
  const world = new TestMachine({ checked: true });
  world.anon(0, 6);
  world.fill(1);
  world.fill(3, 3);
  const present = { mask: PAGE_IS.present, returnMask: PAGE_IS.present };
  expect(scan(world, 6, { ...present, maxPages: 2 })).toEqual({
    error: -ENOSPC,
    found: ['1-2 present', '3-4 present'],
    walkEnd: 4,
  });
  expect(scan(world, 6, { ...present, room: 1 })).toEqual({ error: -ENOSPC, found: ['1-2 present'], walkEnd: 3 });
  expect(scan(world, 6, { flags: PM_SCAN.checkWpAsync }).error).toBe(-EPERM);
});

it('protects pages that a device has, which count as swapped', () => {
  const w = new DeviceMachine();
  w.anon(0, 2);
  w.fill(0, 2, 5);
  new Serving(w, 2, ASYNC);
  w.command(w.open(0), 'MIGRATE_TO_DEV', 0, 2);
  const written = { flags: PM_SCAN.wpMatching, mask: PAGE_IS.written, returnMask: PAGE_IS.written | PAGE_IS.swapped };
  expect(scan(w, 2, written).found).toEqual(['0-2 written swapped']);
  expect(scan(w, 2, written).found).toEqual([]);
  w.store(1, 6);
  expect([scan(w, 2, written).found, w.load(1)]).toEqual([['1-2 written'], 6]);
  w.check();
});

it('tells of 2 MiB of a file, and protects a part of it as what is not mapped', () => {
  const world = new TestMachine({ checked: true });
  const file = new TestFile(world.memory, 512);
  world.anon(0, 512, { file, flags: MAP_SHARED | MAP_FIXED });
  world.fill(0, 8);
  expect(world.advise(0, 512, MADV_COLLAPSE)).toBe(0);
  expect(scan(world, 512, { returnMask: ALL & ~PAGE_IS.softDirty }).found).toEqual(['0-512 written file present huge']);
  new Serving(world, 512, ASYNC);
  const written = { flags: PM_SCAN.wpMatching, mask: PAGE_IS.written, returnMask: PAGE_IS.written };
  expect(scan(world, 8, written).found).toEqual(['0-8 written']);
  expect(world.text(0, 512)).toBe('PTE 0-7 MARKER\nPTE 8-511 NONE');
  world.fill(3, 1, 30);
  expect(scan(world, 8, written).found).toEqual(['3-4 written']);
  expect([world.load(3), world.load(7)]).toEqual([30, 8]);
  // All of it at once keeps the one entry.
  world.anon(0, 512, { file, flags: MAP_SHARED | MAP_FIXED });
  expect([world.load(3), world.text(0, 512)]).toEqual([30, 'PMD 0-511 HUGE W']);
  new Serving(world, 512, ASYNC);
  expect(scan(world, 512, written).found).toEqual(['0-512 written']);
  expect(world.text(0, 512)).toBe('PMD 0-511 HUGE R');
  world.fill(5, 1, 50);
  expect([world.load(3), world.load(5), scan(world, 512, written).found.length]).toEqual([30, 50, 1]);
});

it('protects what a device has for itself: it comes back without the right to write, and the next write is found', () => {
  const world = new DeviceMachine();
  world.anon(0, 2);
  world.fill(0, 2);
  new Serving(world, 2, ASYNC);
  const file = world.open(0);
  expect(world.command(file, 'EXCLUSIVE', 0, 2).ret).toBe(0);
  scan(world, 2, { flags: PM_SCAN.wpMatching, mask: PAGE_IS.written });
  expect(world.text(0, 2)).toBe('PTE 0-1 DEXCL-W');
  expect([world.load(0), world.text(0, 1)]).toEqual([1, 'PTE 0 PRESENT R']);
  const written = { mask: PAGE_IS.written, returnMask: PAGE_IS.written };
  expect(scan(world, 2, written).found).toEqual([]);
  expect([world.store(0, 7), scan(world, 2, written).found]).toEqual(['none', ['0-1 written']]);
  world.check();
});
