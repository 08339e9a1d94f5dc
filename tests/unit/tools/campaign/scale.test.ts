import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { REDIS_MS, simulateFleet } from '../../../../tools/campaign/fleet-simulation.js';
import { loadPlot, makespanPlot, scaleRows, scaleText, wastePlot } from '../../../../tools/campaign/scale.js';
import { checkDocument } from '../../../document-part.js';
import { ROOT } from '../../structure/tree.js';

const ideal = { workers: 4, failuresPerDay: 0, seed: 1 };

it('a fleet that never fails is as fast as its jobs, its workers and Redis let it be', () => {
  const jobs = Array<number>(400).fill(1000);
  const { makespanMs, ...lossless } = simulateFleet(jobs, ideal);
  expect(lossless).toMatchObject({ lostMs: 0, failures: 0 });
  expect(makespanMs).toBeGreaterThan(100_000);
  expect(makespanMs).toBeLessThan(100_000 + 401 * REDIS_MS);
  expect(simulateFleet([5000, ...jobs.slice(0, 3)], { ...ideal, workers: 1000 }).makespanMs).toBe(5000 + REDIS_MS);
  // Jobs of no length wait for Redis alone.
  expect(simulateFleet(Array<number>(100).fill(0), ideal)).toMatchObject({
    makespanMs: 100 * REDIS_MS,
    peakPerSecond: 100,
  });
});

it('what a worker loses is done again, and is what it had begun', () => {
  const jobs = Array<number>(50).fill(60_000);
  const failing = { workers: 5, failuresPerDay: 300, seed: 3 };
  const { makespanMs, lostMs, failures } = simulateFleet(jobs, failing);
  expect(failures).toBeGreaterThan(3);
  expect(lostMs).toBeGreaterThan(0);
  expect(lostMs).toBeLessThan(failures * 60_000);
  expect(makespanMs).toBeGreaterThan(600_000 + 30_000);
  expect(simulateFleet(jobs, failing)).toEqual({ makespanMs, lostMs, failures, peakPerSecond: 5 });
});

it('docs/scale.md and its plots are what the costs of the package come to', () => {
  const rows = scaleRows();
  checkDocument('docs/scale.md', { scale: scaleText(rows) });
  for (const [name, svg] of [
    ['makespan', makespanPlot(rows)],
    ['load', loadPlot(rows)],
    ['waste', wastePlot(rows)],
  ] as const) {
    const file = join(ROOT, `docs/scale-${name}.svg`);
    if (process.env.DMIRROR_UPDATE) writeFileSync(file, svg);
    else expect(readFileSync(file, 'utf8'), 'DMIRROR_UPDATE=1 renews it').toBe(svg);
  }
});
