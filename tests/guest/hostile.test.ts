import { afterAll, describe, expect, it } from 'vitest';
import { count } from '../counts.js';
import { needs } from '../needs.js';
import { COMPILER, GuestBuild } from './compile.js';
import { runGuest } from './run.js';

const RUNS = count(4, 40);

describe('hostile programs', needs(COMPILER), () => {
  const build = new GuestBuild();
  afterAll(() => build.remove());

  it('random system calls never harm the machine', () => {
    const path = build.compile('reports/fuzz');
    for (let seed = 1; seed <= RUNS; seed++) {
      const machine = { ramBytes: 64 * 2 ** 20, seed, hugePages: 2, stepLimit: 20_000 };
      expect(
        harm(() => runGuest(path, { args: [String(seed), '600'], machine })),
        `fuzz ${seed}`,
      ).toBeNull();
    }
  });
});

/** What broke the machine; a program that hangs itself has broken nothing. */
function harm(run: () => unknown): string | null {
  try {
    run();
    return null;
  } catch (error) {
    const isHang = error instanceof Error && /^(deadlock|step-limit): /.test(error.message);
    return isHang ? null : String(error instanceof Error ? error.stack : error);
  }
}
