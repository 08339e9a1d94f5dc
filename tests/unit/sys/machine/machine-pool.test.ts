import { expect, it } from 'vitest';
import { MachinePool } from '../../../../driver/sys/machine/machine-pool.js';
import { inProcess } from '../../../../index.js';
import { type CaseResult, runCase } from '../../../../tools/report/runner.js';
import { allCases } from '../../../selftests/index.js';
import { ret } from '../helpers.js';

const KIND = { ramBytes: 16 << 20 };

it('gives a machine of the same kind again, as new, with the seed that is asked for', () => {
  const pool = new MachinePool();
  const machine = pool.take({ ...KIND, seed: 3 });
  ret(machine.createProcess().main, 'fork');
  machine.newAnswer = () => new Uint8Array(1);
  machine.onCommand = () => {};
  pool.give(machine);
  expect(pool.take({ ...KIND, seed: 3, path: 'unified' })).not.toBe(machine);
  // Without a seed tasks take turns: another kind.
  expect(pool.take(KIND)).not.toBe(machine);
  const again = pool.take({ ...KIND, seed: 7 });
  expect(again).toBe(machine);
  expect([again.seed, again.newAnswer, again.onCommand, again.allProcesses()]).toEqual([7, null, null, []]);
  expect(again.createProcess().pid).toBe(1);
  expect(pool.take({ ...KIND, seed: 3 })).not.toBe(machine);
});

it('keeps no more than a few of each kind', () => {
  const pool = new MachinePool();
  const machines = Array.from({ length: 6 }, () => pool.take(KIND));
  for (const machine of machines) pool.give(machine);
  const kept = machines.map(() => pool.take(KIND)).filter((machine) => machines.includes(machine));
  expect(kept.length).toBe(4);
});

it("keeps none whose policy is its owner's, whatever that holds", () => {
  const pool = new MachinePool();
  const policy = { pick: () => 0, wake: () => 0, reset: () => {}, itself: null as unknown };
  policy.itself = policy;
  const machine = pool.take({ ...KIND, scheduler: policy });
  pool.give(machine);
  expect(pool.take({ ...KIND, scheduler: policy })).not.toBe(machine);
});

it('gives machines that say nothing of locks of the life before', async () => {
  const pool = new MachinePool();
  const [first, second] = ['reviews.own_invalidations', 'races.mprotect'].map((name) => {
    const testCase = allCases().find((one) => one.name === `migrate_on_fault.${name}`)!;
    const how = { seed: 1, path: 'posted-v1', timeoutMs: 600_000, now: () => 0 } as const;
    return (from: MachinePool) => runCase(testCase, { ...how, boot: (own) => inProcess(own, from) });
  }) as [(from: MachinePool) => Promise<CaseResult>, (from: MachinePool) => Promise<CaseResult>];
  expect((await first(pool)).diagnostics?.join(' ')).toMatch(/holds .*folio_lock/);
  expect(await second(pool)).toEqual(await second(new MachinePool()));
});
