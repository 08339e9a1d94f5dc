import fc from 'fast-check';
import { expect, it } from 'vitest';
import { FOLL } from '../../../driver/mm/faults/foll.js';
import { pinUserPages } from '../../../driver/mm/faults/gup.js';
import { shmemAllocate, shmemFileReadIter, shmemPunchHole, shmemTruncate } from '../../../driver/mm/files/shmem.js';
import { unpinUserPages } from '../../../driver/mm/frames/pin.js';
import { splitHugePagesAll } from '../../../driver/mm/huge/split-huge-pages.js';
import { CLEAR_REFS, clearRefsWrite } from '../../../driver/mm/tables/clear-refs.js';
import { doMincore } from '../../../driver/mm/vmas/mincore.js';
import { doMlock, munlock } from '../../../driver/mm/vmas/mlock.js';
import type { Mm } from '../../../driver/mm/vmas/mm.js';
import { doMprotectPkey } from '../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../driver/mm/vmas/mremap.js';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../../uapi/mman.js';
import { fillTlbs } from '../../conform/greedy-tlb.js';
import { runs } from '../../counts.js';
import { BASE, PAGE, RW, TestMachine } from '../test-machine.js';
import { TestFile } from './test-file.js';

const NPAGES = 1024;
const PAGES = [0, 1, 5, 255, 510, 511, 512, 513, 700, 1022, 1023];

/** A mapping of the file: pages [0, NPAGES) of it at page `at`; a private one has pages of its own. */
interface View {
  readonly mm: Mm;
  at: number;
  readonly own: Map<number, number> | null;
}

/** The file as plain words, one a page, beside the machine that has it. */
class FileWorld {
  readonly world: TestMachine;
  readonly file: TestFile;
  readonly views: View[];
  readonly words = new Uint32Array(NPAGES);
  size = NPAGES;
  private value = 1;

  constructor(isAnonymous: boolean) {
    this.world = new TestMachine({ checked: true, ramBytes: 32 << 20, swapBytes: 16 << 20, hugePages: 0 });
    this.file = new TestFile(this.world.memory, NPAGES);
    this.file.mapping.isAnonymous = isAnonymous;
    const other = this.world.newMm();
    this.views = [
      { mm: this.world.mm, at: 0, own: null },
      { mm: other, at: 0, own: null },
      { mm: other, at: 4101, own: null },
      { mm: this.world.mm, at: 2048, own: new Map() },
    ];
    for (const view of this.views) this.map(view);
  }

  private map({ mm, at, own }: View): void {
    const flags = (own === null ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED;
    this.world.anon(at, NPAGES, { mm, file: this.file, flags, pgoff: 0 });
  }

  expected({ own }: View, page: number): number | string {
    if (page >= this.size) return 'sigbus';
    return own?.get(page) ?? this.words[page]!;
  }

  store(view: View, page: number): void {
    const value = this.value++;
    const fault = this.world.store(view.at + page, value, view.mm);
    // tmpfs maps 2 MiB by one entry though the file ends in it.
    if (page >= this.size && fault === 'none') return;
    expect(fault).toBe(page >= this.size ? 'sigbus' : 'none');
    if (fault !== 'none') return;
    if (view.own === null) this.words[page] = value;
    else view.own.set(page, value);
  }

  load(view: View, page: number): void {
    const value = this.world.load(view.at + page, view.mm);
    if (page >= this.size && value !== 'sigbus') return;
    expect([page, value]).toEqual([page, this.expected(view, page)]);
  }

  loadAll(): void {
    for (const view of this.views) for (const page of PAGES) this.load(view, page);
  }

  truncate(npages: number): void {
    this.world.run(shmemTruncate(this.world.memory, this.file.mapping, npages * PAGE));
    this.size = npages;
    this.words.fill(0, npages);
    for (const { own } of this.views) for (const page of own?.keys() ?? []) if (page >= npages) own!.delete(page);
  }

  punch(first: number, npages: number): void {
    this.world.run(shmemPunchHole(this.world.memory, this.file.mapping, first * PAGE, npages * PAGE));
    this.words.fill(0, first, first + npages);
  }

  write(page: number): void {
    const value = this.value++;
    const bytes = new Uint8Array(Uint32Array.of(value).buffer);
    this.world.run(this.file.write(page * PAGE, bytes));
    this.size = Math.max(this.size, page + 1);
    this.words[page] = value;
  }

  read(page: number): void {
    const place = { offset: page * PAGE, lenBytes: 4 };
    const bytes = this.world.run(shmemFileReadIter(this.world.memory, this.file.mapping, place));
    expect(bytes.length).toBe(page < this.size ? 4 : 0);
    if (bytes.length > 0) expect(new Uint32Array(bytes.slice().buffer)[0]).toBe(this.words[page]);
  }

  protect(view: View, first: number, npages: number, prot: number): void {
    const at = BASE + (view.at + first) * PAGE;
    expect(this.world.run(doMprotectPkey(view.mm, at, npages * PAGE, prot))).toBe(0);
  }

  pinned(view: View, page: number, work: () => void): void {
    const pfns: number[] = [];
    const { world } = this;
    const got = world.run(
      (function* () {
        yield* view.mm.mmapLock.readLock();
        const ret = yield* pinUserPages(view.mm, BASE + (view.at + page) * PAGE, 1, FOLL.write, pfns);
        view.mm.mmapLock.readUnlock();
        return ret;
      })(),
    );
    if (got === 1 && view.own !== null && !view.own.has(page)) view.own.set(page, this.words[page]!);
    work();
    if (got === 1) unpinUserPages(world.memory, pfns, 1);
    world.check();
  }

  move(view: View): void {
    const to = view.at === 0 ? 8192 : 0;
    const addr = (at: number): number => BASE + at * PAGE;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    const len = NPAGES * PAGE;
    const move = { addr: addr(view.at), oldLen: len, newLen: len, flags, newAddr: addr(to) };
    expect(this.world.run(mremap(view.mm, move))).toBe(addr(to));
    view.at = to;
  }
}

interface Op {
  readonly view: View;
  readonly page: number;
  readonly first: number;
  readonly npages: number;
}

function advise({ world }: FileWorld, { view, first, npages }: Op, advice: number): number {
  return world.advise(view.at + first, npages, advice, view.mm);
}

/** The aligned half that a page lies in. */
function half(op: Op): Op {
  return { ...op, first: op.page < 512 ? 0 : 512, npages: 512 };
}

/** A private mapping has pages of its own now, with what the file has there. */
function copied(files: FileWorld, { view: { own }, first, npages }: Op): void {
  const end = Math.min(first + npages, files.size);
  for (let i = first; i < end; i++) if (own !== null && !own.has(i)) own.set(i, files.words[i]!);
}

/** It may fail, as it does in Linux, and changes nothing that can be read. */
function collapse(files: FileWorld, op: Op): void {
  advise(files, half(op), MADV_COLLAPSE);
}

function truncate(files: FileWorld, { first }: Op): void {
  files.truncate(first);
}

function punch(files: FileWorld, { first, npages }: Op): void {
  files.punch(first, npages);
}

function split({ world }: FileWorld): void {
  world.run(splitHugePagesAll(world.memory));
}

function dontneed(files: FileWorld, op: Op): void {
  expect(advise(files, op, MADV_DONTNEED)).toBe(0);
  for (let i = op.first; i < op.first + op.npages; i++) op.view.own?.delete(i);
}

function protect(files: FileWorld, { view, page, first, npages }: Op): void {
  files.protect(view, first, npages, PROT_READ);
  if (page < files.size) files.load(view, page);
  files.protect(view, first, npages, RW);
}

function fork(files: FileWorld, { view, page }: Op): void {
  const { world } = files;
  const child = world.fork(view.mm);
  const copy = { mm: child, at: view.at, own: view.own === null ? null : new Map(view.own) };
  files.load(copy, page);
  files.store(copy, page);
  files.loadAll();
  world.exit(child);
}

function pin(files: FileWorld, op: Op): void {
  files.pinned(op.view, op.page, () => {
    const work = op.first % 2 === 0 ? collapse : punch;
    work(files, { ...op, view: files.views[0]! });
    files.loadAll();
    if (op.first > 500) truncate(files, op);
    split(files);
  });
}

function populate(files: FileWorld, op: Op): void {
  const writes = op.npages % 2 === 1;
  const ret = advise(files, op, writes ? MADV_POPULATE_WRITE : MADV_POPULATE_READ);
  if (op.first + op.npages <= files.size) expect(ret).toBe(0);
  if (writes) copied(files, op);
}

function lock(files: FileWorld, op: Op): void {
  const { view, first, npages } = op;
  const start = BASE + (view.at + first) * PAGE;
  files.world.run(doMlock(view.mm, start, npages * PAGE));
  copied(files, op);
  collapse(files, { ...op, view: files.views[1]! });
  files.loadAll();
  expect(files.world.run(munlock(view.mm, start, npages * PAGE))).toBe(0);
}

function allocate({ world, file }: FileWorld, { first, npages }: Op): void {
  const place = { offset: first * PAGE, len: npages * PAGE, keepsSize: true };
  expect(world.run(shmemAllocate(world.memory, file.mapping, place))).toBe(0);
}

const ALL = { first: 0, npages: NPAGES };

const ACTIONS: Record<string, (files: FileWorld, op: Op) => void> = {
  truncate,
  punch,
  split,
  dontneed,
  protect,
  fork,
  pin,
  populate,
  lock,
  allocate,
  store: (files, { view, page }) => files.store(view, page),
  load: (files, { view, page }) => files.load(view, page),
  write: (files, { page }) => files.write(page),
  read: (files, { page }) => files.read(page),
  grow: (files) => files.truncate(NPAGES),
  move: (files) => files.move(files.views[0]!),
  punchHalf: (files, op) => punch(files, half(op)),
  pageout: (files, op) => expect(advise(files, op, MADV_PAGEOUT)).toBe(0),
  pageoutAll: (files, op) => expect(advise(files, { ...op, ...ALL }, MADV_PAGEOUT)).toBe(0),
  cold: (files, op) => expect(advise(files, op, MADV_COLD)).toBe(0),
  forget: ({ world }, { view }) => world.run(clearRefsWrite(view.mm, CLEAR_REFS.softDirty)),
  mincore: ({ world }, { view }) =>
    expect(world.run(doMincore(view.mm, BASE + view.at * PAGE, NPAGES)).vec).toHaveLength(NPAGES),
};

const others = fc.constantFrom(...Object.values(ACTIONS));
const op = fc.record({
  action: fc.oneof({ arbitrary: fc.constant(collapse), weight: 1 }, { arbitrary: others, weight: 5 }),
  view: fc.nat(3),
  page: fc.constantFrom(...PAGES),
  first: fc.constantFrom(0, 1, 100, 511, 512, 513, 700),
  npages: fc.constantFrom(1, 2, 12, 300, 324),
});

it('holds what a file holds that is not collapsed, whatever is done to it', () => {
  fc.assert(
    fc.property(fc.array(op, { minLength: 3, maxLength: 16 }), fc.boolean(), (ops, isAnonymous) => {
      const files = new FileWorld(isAnonymous);
      for (const one of ops) {
        fillTlbs(files.world.memory);
        one.action(files, { ...one, view: files.views[one.view]! });
        files.world.check();
      }
      files.loadAll();
      for (const page of PAGES) files.read(page);
      for (const mm of new Set(files.views.map((view) => view.mm))) files.world.exit(mm);
      files.truncate(0);
      expect(files.world.memory.swap.used).toBe(0);
      expect(files.file.mapping.pages.count).toBe(0);
    }),
    runs(25, 300),
  );
}, 600_000);
