import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inProcess } from '../../../index.js';
import type { Transport } from '../../../uapi/client/transport.js';
import { stride } from '../../counts.js';
import { SkipError } from '../../selftests/case.js';
import { allCases } from '../../selftests/index.js';
import { runTask } from '../helpers.js';
import { TrapPool } from '../seam-trap.js';
import { ret } from '../sys/helpers.js';

const SEED = 1;
/**
 * Behind a trap each access costs a hundred times what it costs else, so of the cases that differ in their number of pages only these are
 * here: between them they take every way through the device, faults, notifiers, fork, huge pages, files and races.
 */
const CASES =
  /\.(anon_read_prot|anon_write_prot|anon_write_hugetlbfs|migrate|migrate_fault|migrate_release|migrate_shared|migrate_file_private|exclusive|exclusive_cow|exclusive_mprotect|hmm_cow_in_device|hmm_gup_test|mixedmap|migrate_anon_huge_free|snapshot|double_map|open_close|races\.\w+)$/;

describe.each([
  ['classic', '6.12'],
  ['unified', '7.3'],
] as const)('behind a trap, on the %s path of %s', (path, profile) => {
  const pool = new TrapPool();
  beforeAll(() => pool.open());
  afterAll(() => pool.close());

  const SAMPLE = stride(3, 6);
  const cases = allCases({ deviceThp: profile !== '6.12' }).filter(({ name }) => CASES.test(name));
  for (const testCase of cases.filter((_, i) => i % SAMPLE === 0)) {
    it(testCase.name, async (ctx) => {
      const booted: Transport[] = [];
      const boot = async (options: object = {}): Promise<Transport> => {
        const transport = await inProcess({ seed: SEED, path, profile, checkInvariants: 'off', ...options }, pool);
        booted.push(transport);
        return transport;
      };
      try {
        await testCase.run({ boot, seed: SEED, path });
      } catch (error) {
        if (error instanceof SkipError) return ctx.skip(error.message);
        throw error;
      }
      for (const transport of booted) await transport.close();
      expect([...pool.bypasses].sort()).toEqual([]);
    });
  }

  it('is told of khugepaged, which no case waits for', () => {
    const { main } = pool.take().createProcess();
    expect(ret(main, 'khugepaged')).toBe(0);
    expect([...pool.bypasses].sort()).toEqual([]);
  });

  it('heard of every kind of object', () => expect([...pool.untold]).toEqual([]));

  it('reads entries that are not marked lockless under the page table lock', () =>
    expect([...pool.unlocked].sort()).toEqual([]));
});

it('writes down an access that no observer was told of', () => {
  const pool = new TrapPool();
  const { kernel, memory } = pool.take();
  const { refcounts } = memory.frames as unknown as { refcounts: Int32Array };
  function* bypass() {
    refcounts[1]!++;
  }
  runTask(kernel, bypass());
  expect([...pool.bypasses]).toEqual([
    expect.stringMatching(/^reads refcount /),
    expect.stringMatching(/^writes refcount /),
  ]);
});
