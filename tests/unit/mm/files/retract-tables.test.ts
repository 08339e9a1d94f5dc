import { expect, it } from 'vitest';
import type { Coroutine } from '../../../../driver/core/effect.js';
import { SeededRandom } from '../../../../driver/core/policy.js';
import { Prng } from '../../../../driver/core/prng.js';
import { MachineKernel } from '../../../../driver/inject/machine-kernel.js';
import { cpuLoad, cpuStore } from '../../../../driver/mm/faults/access.js';
import { FOLL } from '../../../../driver/mm/faults/foll.js';
import { pinUserPagesFast } from '../../../../driver/mm/faults/gup-fast.js';
import { shmemFileReadIter, shmemPunchHole, shmemTruncate } from '../../../../driver/mm/files/shmem.js';
import { unpinUserPages } from '../../../../driver/mm/frames/pin.js';
import { splitHugePagesAll } from '../../../../driver/mm/huge/split-huge-pages.js';
import { dupMmap, mmCreate } from '../../../../driver/mm/vmas/dup-mmap.js';
import { mmput } from '../../../../driver/mm/vmas/exit-mmap.js';
import { doMadvise } from '../../../../driver/mm/vmas/madvise.js';
import type { Mm } from '../../../../driver/mm/vmas/mm.js';
import { doMprotectPkey } from '../../../../driver/mm/vmas/mprotect.js';
import { mremap } from '../../../../driver/mm/vmas/mremap.js';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MAP_FIXED,
  MAP_PRIVATE,
  MAP_SHARED,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  PROT_READ,
} from '../../../../uapi/mman.js';
import { count } from '../../../counts.js';
import { BASE, HUGE, PAGE, RW, TestMachine } from '../../test-machine.js';
import { TestFile } from '../test-file.js';

const SEEDS = count(6, 60);
const FIRST = Number(process.env.DMIRROR_SEED ?? 1);
const STEPS = 12;
const NPAGES = 600;
const ADVICE = [MADV_COLLAPSE, MADV_COLLAPSE, MADV_PAGEOUT, MADV_DONTNEED, MADV_COLD, MADV_POPULATE_READ];
/** Where the file is mapped: in the first address space, and in the second one twice. */
const ALIGNED = BASE;
const MISALIGNED = BASE + 16 * HUGE + PAGE;
/** A mapping that one thread alone moves. */
const MOVED = [BASE + 32 * HUGE, BASE + 48 * HUGE] as const;
/** Pages from here on are cut off and punched by one thread, and nobody's else. */
const NOBODYS = 400;

interface Shared {
  readonly world: TestMachine;
  readonly file: TestFile;
  readonly places: readonly { mm: Mm; at: number }[];
}

function word(bytes: Uint8Array): number {
  return new Uint32Array(bytes.slice().buffer)[0]!;
}

/** Writes its own page by whatever way, and finds there what it wrote last. */
function* owner({ world, file, places }: Shared, page: number, prng: Prng): Coroutine<void> {
  const { memory } = world;
  let last = 0;
  for (let i = 0; i < STEPS; i++) {
    const { mm, at } = places[prng.below(places.length)]!;
    const addr = at + page * PAGE;
    const bytes = new Uint8Array(Uint32Array.of(page * 1000 + i + 1).buffer);
    switch (prng.below(7)) {
      case 0:
      case 1:
        // Somebody may just have taken the right to write away.
        if ((yield* cpuStore(mm, addr, bytes)).fault === 'none') last = word(bytes);
        break;
      case 2:
        yield* file.write(page * PAGE, bytes);
        last = word(bytes);
        break;
      case 3: {
        const read = yield* shmemFileReadIter(memory, file.mapping, { offset: page * PAGE, lenBytes: 4 });
        expect(word(read)).toBe(last);
        break;
      }
      case 4: {
        const child = mmCreate(memory);
        yield* dupMmap(child, mm);
        if ((yield* cpuStore(child, addr, bytes)).fault === 'none') last = word(bytes);
        yield* mmput(child);
        break;
      }
      case 5: {
        const pfns: number[] = [];
        const got = yield* pinUserPagesFast(mm, addr, 1, FOLL.write, pfns);
        if (got === 1) unpinUserPages(memory, pfns, 1);
        break;
      }
      default:
        yield* doMadvise(mm, at - (at % HUGE), HUGE, MADV_COLLAPSE);
    }
    yield* cpuLoad(mm, addr, bytes);
    expect(word(bytes)).toBe(last);
  }
}

/** Makes one folio of the file and single pages of it again. */
function* collapser({ world, places }: Shared): Coroutine<void> {
  for (let i = 0; i < STEPS; i++) {
    yield* doMadvise(places[0]!.mm, places[0]!.at, HUGE, MADV_COLLAPSE);
    yield* splitHugePagesAll(world.memory);
  }
}

/** Writes through the file alone, again and again. */
function* writer({ world, file }: Shared, page: number): Coroutine<void> {
  for (let i = 0; i < 3 * STEPS; i++) {
    const offset = page * PAGE;
    const bytes = new Uint8Array(Uint32Array.of(i + 1).buffer);
    yield* file.write(offset, bytes);
    expect(word(yield* shmemFileReadIter(world.memory, file.mapping, { offset, lenBytes: 4 }))).toBe(i + 1);
  }
}

function* disturber({ world, file, places }: Shared, prng: Prng): Coroutine<void> {
  const { memory } = world;
  for (let i = 0; i < STEPS; i++) {
    const { mm, at } = places[prng.below(places.length)]!;
    const first = prng.below(520);
    const npages = 1 + prng.below(40);
    switch (prng.below(6)) {
      case 0:
        yield* shmemTruncate(memory, file.mapping, (NOBODYS + prng.below(200)) * PAGE);
        yield* shmemTruncate(memory, file.mapping, NPAGES * PAGE);
        break;
      case 1:
        yield* shmemPunchHole(memory, file.mapping, (NOBODYS + prng.below(100)) * PAGE, npages * PAGE);
        break;
      case 2:
        yield* splitHugePagesAll(memory);
        break;
      case 3:
        yield* doMprotectPkey(mm, at + first * PAGE, npages * PAGE, PROT_READ);
        yield* doMprotectPkey(mm, at + first * PAGE, npages * PAGE, RW);
        break;
      default: {
        const advice = ADVICE[prng.below(ADVICE.length)]!;
        if (advice === MADV_COLLAPSE) yield* doMadvise(mm, at - (at % HUGE), HUGE, advice);
        else yield* doMadvise(mm, at + first * PAGE, npages * PAGE, advice);
      }
    }
  }
}

function* mover({ world }: Shared, prng: Prng): Coroutine<void> {
  let [from, to]: number[] = [...MOVED];
  for (let i = 0; i < STEPS; i++) {
    const bytes = new Uint8Array(4);
    for (let n = 0; n < 3; n++) yield* cpuLoad(world.mm, from! + prng.below(NOBODYS) * PAGE, bytes);
    const len = NPAGES * PAGE;
    const flags = MREMAP_MAYMOVE | MREMAP_FIXED;
    expect(yield* mremap(world.mm, { addr: from!, oldLen: len, newLen: len, flags, newAddr: to! })).toBe(to);
    [from, to] = [to, from];
  }
}

function race(seed: number): number {
  const kernel = new MachineKernel(new SeededRandom(seed), seed, 10_000_000);
  const world = new TestMachine({ kernel, ramBytes: 32 << 20, swapBytes: 8 << 20, hugePages: 0, listens: false });
  const { scheduler } = kernel;
  const { memory, mm } = world;
  const file = new TestFile(memory, NPAGES);
  file.mapping.isAnonymous = seed % 4 < 2;
  const other = world.newMm();
  const map = (of: Mm, addr: number, kind = MAP_SHARED): void =>
    world.anon((addr - BASE) / PAGE, NPAGES, { mm: of, file, flags: kind | MAP_FIXED, pgoff: 0 });
  map(mm, ALIGNED);
  map(other, ALIGNED);
  map(other, MISALIGNED);
  map(mm, MOVED[0]);
  map(mm, BASE + 64 * HUGE, MAP_PRIVATE);
  const places = [
    { mm, at: ALIGNED },
    { mm: other, at: ALIGNED },
    { mm: other, at: MISALIGNED },
  ];
  const shared = { world, file, places };
  const isSmall = seed % 2 === 0;
  const smallTasks = [collapser(shared), owner(shared, 1, new Prng(seed)), writer(shared, 2)];
  const manyTasks = [
    ...[1, 2, 300].map((page, i) => owner(shared, page, new Prng(seed * 100 + i))),
    disturber(shared, new Prng(seed * 100 + 50)),
    disturber(shared, new Prng(seed * 100 + 51)),
    mover(shared, new Prng(seed * 100 + 52)),
  ];
  const tasks = isSmall ? smallTasks : manyTasks;
  let done = 0;
  scheduler.wantsFine = seed % 3 !== 0;
  for (const [i, task] of tasks.entries()) scheduler.start(scheduler.newTask(`thread ${i}`), task, () => done++);
  const run = scheduler.run();
  scheduler.wantsFine = false;
  if (done !== tasks.length) throw new Error(`${done} of ${tasks.length} threads ended: ${JSON.stringify(run)}`);
  world.check();
  const { mapping } = file;
  let huge = 0;
  mapping.pages.forEach((pfn) => {
    if (pfn > 0 && memory.frames.order(memory.frames.head(pfn)) > 0) huge++;
  });
  world.exit(mm);
  world.exit(other);
  world.run(shmemTruncate(memory, mapping, 0));
  world.check();
  expect([mapping.pages.count, memory.swap.used]).toEqual([0, 0]);
  return huge;
}

it(`nobody loses what it wrote while others collapse the file, in ${SEEDS} schedules`, () => {
  let huge = 0;
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    try {
      huge += race(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  expect(huge).toBeGreaterThan(0);
}, 600_000);
