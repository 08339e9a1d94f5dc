import { describe, expect, it } from 'vitest';
import { explore, type Race } from '../../../driver/explore/index.js';
import { Machine } from '../../../driver/sys/machine/machine.js';
import { anon } from '../sys/helpers.js';

/** Two threads that store 1 and 2 to one word. */
function twoStores(): Race {
  const machine = new Machine({ ramBytes: 16 << 20 });
  const { main } = machine.createProcess();
  const addr = anon(main, 1);
  const other = machine.threadByTid(machine.call(main, 'thread').ret)!;
  const word = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
  return {
    machine,
    start() {
      machine.start(main, 'store', [addr, word(1)]);
      machine.start(other, 'store', [addr, word(2)]);
    },
    outcome: () => String(machine.call(main, 'load', addr, 4).bytes![0]),
  };
}

describe('explore', () => {
  it('finds both ends of two stores by chance, and repeats each from its witness', () => {
    const race = twoStores();
    const { outcomes, findings, schedules } = explore(race, { strategy: 'random', budget: 200, seed: 3 });
    expect(findings).toEqual([]);
    expect(schedules).toBe(200);
    expect([...outcomes.keys()].sort()).toEqual(['1', '2']);
    for (const [outcome, { witness }] of outcomes) {
      const again = explore(race, { strategy: 'replay', choices: witness });
      expect([...again.outcomes.keys()]).toEqual([outcome]);
      expect(again.schedules).toBe(1);
    }
  });
});
