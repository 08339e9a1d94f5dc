import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Cpu } from '../../driver/cpu/cpu.js';
import type { MmCpuMemory } from '../../driver/cpu/cpu-memory.js';
import { Hart } from '../../driver/cpu/hart.js';
import { checkTlb } from '../../driver/mm/tables/check-tlb.js';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { count, some } from '../counts.js';
import { needs } from '../needs.js';
import { COMPILER, GuestBuild } from './compile.js';
import { runGuest } from './run.js';

const SEEDS = count(1, 3);

describe('the TLB', needs(COMPILER), () => {
  const build = new GuestBuild();
  let looks = 0;
  let pending = 0;

  beforeAll(() => {
    const activate = Hart.prototype.activate;
    vi.spyOn(Hart.prototype, 'activate').mockImplementation(function (this: Hart, cpu: Cpu) {
      activate.call(this, cpu);
      const { mm } = cpu.memory as MmCpuMemory;
      if (mm.tlbFlushPending > 0) pending++;
      else looks++;
      checkTlb(mm);
    });
  });

  afterAll(() => {
    vi.restoreAllMocks();
    build.remove();
  });

  it.each(some(['race', 'ioctls', 'fork-storm', 'threads'], 4))(
    'never holds more than the page table says: %s',
    (name) => {
      looks = 0;
      pending = 0;
      for (let seed = 1; seed <= SEEDS; seed++) {
        for (const path of EQUAL_PATHS) {
          expect(runGuest(build.compile(name), { machine: { seed, path } }).status).toBe(0);
        }
      }
      expect(looks).toBeGreaterThan(100);
      expect(pending).toBeLessThan(looks);
    },
  );
});

describe('compiled code', needs(COMPILER), () => {
  const build = new GuestBuild();
  afterAll(() => build.remove());

  it.each(some(['threads', 'race', 'fork-storm', 'signals', 'float-print'], 5))(
    'has the bytes, the calls and the time of the interpreter: %s',
    (name) => {
      const path = build.compile(name);
      const [compiled, interpreted] = (['wasm', 'interp'] as const).map((tier) => {
        const { output, status, ticks, strace, system } = runGuest(path, { machine: { seed: 7 }, strace: true, tier });
        return { output, status, ticks, strace, regions: system.hart.core.size };
      });
      expect(compiled!.regions).toBeGreaterThan(0);
      expect({ ...compiled, regions: 0 }).toEqual(interpreted);
    },
  );
});

describe('a program that runs with invariants', needs(COMPILER), () => {
  const build = new GuestBuild();
  afterAll(() => {
    vi.restoreAllMocks();
    build.remove();
  });

  it.each(some(['memory', 'threads', 'ioctls', 'jobs'], 4))('finds %s without fault', (name) => {
    const path = build.compile(name);
    const plain = runGuest(path);
    for (const checkInvariants of ['touched', 'all'] as const) {
      const proved = runGuest(path, { machine: { checkInvariants } });
      expect([proved.output, proved.status, proved.ticks]).toEqual([plain.output, plain.status, plain.ticks]);
    }
  });

  it('meets a flush that never came', () => {
    const path = build.compile('memory');
    vi.spyOn(Hart.prototype, 'drop').mockImplementation(() => {});
    for (const checkInvariants of ['touched', 'all'] as const)
      expect(() => runGuest(path, { machine: { checkInvariants } })).toThrow(/a TLB lets (loads|stores) at 0x/);
  });
});
