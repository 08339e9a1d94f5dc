import { describe, expect, it } from 'vitest';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { count } from '../counts.js';
import { generateRace } from './concurrent-generate.js';
import { RaceRunner } from './race.js';
import { explain, serialOrders } from './serial-orders.js';

/** Races a path; the seed of a failing one is in its message. */
const COUNT = count(8, 300);

describe('generated races', () => {
  it.each(EQUAL_PATHS)('%s: each answer is one that some serial order gives', (path) => {
    const runner = new RaceRunner(path);
    for (let seed = 1; seed <= COUNT; seed++) {
      const race = generateRace(seed);
      const { failure } = explain(race, runner.concurrent(race, seed), runner);
      if (failure !== null) expect(`seed ${seed}\n${failure}`).toBe('');
    }
  });

  it('a schedule is the same for the same seed, and another one for another', () => {
    const race = generateRace(12);
    const texts = Array.from({ length: 30 }, (_, seed) =>
      JSON.stringify(new RaceRunner('classic').concurrent(race, seed)),
    );
    const again = Array.from({ length: 30 }, (_, seed) =>
      JSON.stringify(new RaceRunner('classic').concurrent(race, seed)),
    );
    expect(again).toEqual(texts);
    expect(new Set(texts).size).toBeGreaterThan(1);
  });

  it('an answer that no order gives is found', () => {
    const race = {
      setup: ['open 0 0', 'map 0 0 0 1 anon rw', 'store 0 0 0 1 256'],
      tasks: [
        { p: 0, lines: ['store 0 0 0 1 512'] },
        { p: 0, lines: ['load 0 0 0 1'] },
      ],
      pages: 1,
      processes: 1,
    };
    const runner = new RaceRunner('classic');
    const seen = runner.concurrent(race, 1);
    expect(explain(race, seen, runner).failure).toBeNull();
    const wrong = { ...seen, ops: [seen.ops[0]!, '0 00000300'] };
    expect(explain(race, wrong, runner).failure).toContain('=> 0 00000300; serially 0 00000200 or 0 00000100');
  });

  it('serial orders keep the order of each task', () => {
    expect([...serialOrders([2, 1])]).toEqual([
      [0, 0, 1],
      [0, 1, 0],
      [1, 0, 0],
    ]);
    expect([...serialOrders([2, 2, 2])]).toHaveLength(90);
  });
});
