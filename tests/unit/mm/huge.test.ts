import { describe, expect, it } from 'vitest';
import type { Coroutine } from '../../../driver/core/effect.js';
import { SeededRandom } from '../../../driver/core/policy.js';
import { Prng } from '../../../driver/core/prng.js';
import { MachineKernel } from '../../../driver/inject/machine-kernel.js';
import { cpuLoad, cpuStore } from '../../../driver/mm/faults/access.js';
import type { Memory } from '../../../driver/mm/memory.js';
import { dupMmap, mmCreate } from '../../../driver/mm/vmas/dup-mmap.js';
import { mmput } from '../../../driver/mm/vmas/exit-mmap.js';
import { doMadvise } from '../../../driver/mm/vmas/madvise.js';
import type { Mm } from '../../../driver/mm/vmas/mm.js';
import { MADV_COLLAPSE, MADV_DONTNEED, MADV_FREE, MADV_HUGEPAGE, MADV_PAGEOUT } from '../../../uapi/mman.js';
import { count } from '../../counts.js';
import { BASE, HUGE, PAGE, TestMachine } from '../test-machine.js';

const SEEDS = count(6, 30);
const STEPS = 40;
const ADVICE = [MADV_PAGEOUT, MADV_DONTNEED, MADV_FREE, MADV_COLLAPSE];
const HUGE_PAGES = 512;

/** One thread's random accesses and advice over the same few pages as everybody's. */
function* thread(memory: Memory, mm: Mm, prng: Prng): Coroutine<void> {
  const bytes = new Uint8Array(4);
  for (let i = 0; i < STEPS; i++) {
    const addr = BASE + prng.below(3) * HUGE + prng.below(3) * PAGE;
    const choice = prng.below(10);
    if (choice < 4) yield* cpuStore(mm, addr, bytes.fill(prng.below(3)));
    else if (choice < 6) yield* cpuLoad(mm, addr, bytes);
    else if (choice < 9) {
      const isWhole = prng.below(3) === 0;
      const start = isWhole ? addr - (addr % HUGE) : addr;
      yield* doMadvise(mm, start, isWhole ? HUGE : 2 * PAGE, ADVICE[prng.below(ADVICE.length)]!);
    } else {
      const child = mmCreate(memory);
      yield* dupMmap(child, mm);
      yield* cpuStore(child, addr, bytes);
      yield* mmput(child);
    }
  }
}

/** How often a page was unmapped for swap, and a page or folio for a split or migration. */
function race(seed: number): { unmaps: number; splits: number } {
  const kernel = new MachineKernel(new SeededRandom(seed), seed, 10_000_000);
  const w = new TestMachine({ kernel, hugePages: 2, listens: false });
  const { memory, mm } = w;
  // Folios of 16 KiB in every other run.
  memory.thpOrders = { ...memory.thpOrders, always: seed % 2 === 0 ? 0b100 : 0 };
  w.anon(0, 2 * HUGE_PAGES);
  w.advise(0, HUGE_PAGES, MADV_HUGEPAGE);
  w.mapHugetlb(2 * HUGE_PAGES, HUGE_PAGES);
  const { scheduler } = kernel;
  for (let t = 0; t < 3; t++)
    scheduler.start(scheduler.newTask(`thread ${t}`), thread(memory, mm, new Prng(seed * 10 + t)), () => {});
  expect(scheduler.run(), `seed ${seed}`).toMatchObject({ reason: 'idle' });
  w.check();
  w.exit(mm);
  w.check();
  expect(memory.swap.used, `seed ${seed}`).toBe(0);
  expect(memory.hugetlb, `seed ${seed}`).toMatchObject({ freeCount: 2, reserved: 0 });
  return { unmaps: memory.stats.tryToUnmap, splits: memory.stats.tryToMigrate };
}

describe('threads that fault, page out, collapse and fork at once', () => {
  it(`keep the books of ${SEEDS} schedules`, () => {
    let unmaps = 0;
    let splits = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      try {
        const seen = race(seed);
        unmaps += seen.unmaps;
        splits += seen.splits;
      } catch (error) {
        throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
      }
    }
    expect(unmaps).toBeGreaterThan(SEEDS / 2);
    expect(splits).toBeGreaterThan(SEEDS / 2);
  });
});
