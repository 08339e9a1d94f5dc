import { type Measurement, median, type Row } from '../../tests/bench/measurement.js';
import { costsOf } from '../shard/costs.js';
import { taskOf } from './campaign-job.js';
import { jobsOfCampaign } from './campaign-jobs.js';
import { LEASE_MS, REDIS_MS, REPLACED_MS, simulateFleet } from './fleet-simulation.js';
import { plotOf } from './scale-plot.js';

const WORKERS = [10, 100, 1000];
const DRAWS = 5;
const SEEDS = 20;

/** How often a machine is gone, and who says so. */
const FAILURES = [
  { name: 'no failures', perDay: 0, source: null },
  {
    name: 'servers of a data centre',
    perDay: 419 / (54 * 2048),
    source:
      'The Llama 3 Herd of Models, arXiv 2407.21783, 31 July 2024: 419 unexpected interruptions in 54 days of 16,384 GPUs, which are 2,048 servers',
  },
  {
    name: 'preemptible machines',
    perDay: 1,
    source: 'Google Cloud, preemptible VM instances, offered since May 2015: none is left running longer than 24 hours',
  },
] as const;

/** What is replayed: one sweep of every case and each litmus test, and the sweep with many seeds. */
const WORKS = [
  { name: 'one seed', seeds: 1 },
  { name: `${SEEDS} seeds`, seeds: SEEDS },
];

interface ScaleRow {
  readonly work: string;
  readonly failures: string;
  readonly workers: number;
  readonly jobs: number;
  readonly cpuMs: number;
  readonly longestMs: number;
  readonly makespanMs: number;
  /** Of the workers' time until the end: that results came of, and that was lost. */
  readonly used: number;
  readonly lost: number;
  readonly failed: number;
  /** Of one core of Redis, on average and in the busiest second. */
  readonly redis: number;
  readonly redisPeak: number;
}

/** What each job takes by the package's costs: a sweep of all cases on 7.3, and an exploration of the litmus library, on both paths. */
function costsOfWork(seeds: number): number[] {
  const [sweep, explore] = [costsOf('fault sweep'), costsOf('explore')];
  const wrong = (_: unknown, message: string): Error => new Error(message);
  const campaign = {
    name: 'scale',
    what: [{ sweeps: ['*'] }, { litmus: ['*'] }],
    paths: ['classic', 'unified'],
    profiles: ['7.3' as const],
    dialects: ['dmirror'],
    strategies: ['dpor' as const],
    faults: [0 as const],
    schedules: 2000,
    seeds: Array.from({ length: seeds }, (_, i) => i + 1),
    budget: {},
    stop: {},
  };
  return jobsOfCampaign(campaign, wrong as never).map(({ kind, path, task }) => {
    const { name, slice, test } = taskOf(task) as { name: string; slice?: { of: number }; test: { name: string } };
    return kind === 'sweep' ? sweep.of(`${path} ${name}`) / (slice?.of ?? 1) : explore.of(`${path} ${test.name}`);
  });
}

export function scaleRows(): ScaleRow[] {
  return WORKS.flatMap(({ name: work, seeds }) => {
    const costs = costsOfWork(seeds);
    const cpuMs = costs.reduce((sum, ms) => sum + ms, 0);
    return FAILURES.flatMap(({ name: failures, perDay }) =>
      WORKERS.map((workers): ScaleRow => {
        const runs = Array.from({ length: perDay === 0 ? 1 : DRAWS }, (_, i) =>
          simulateFleet(costs, { workers, failuresPerDay: perDay, seed: i + 1 }),
        );
        const of = (value: (run: (typeof runs)[number]) => number): number => median(runs.map(value));
        const makespanMs = of((run) => run.makespanMs);
        return {
          ...{ work, failures, workers, jobs: costs.length, cpuMs, makespanMs },
          longestMs: Math.max(...costs),
          used: of((run) => cpuMs / (run.makespanMs * workers)),
          lost: of((run) => run.lostMs / (run.makespanMs * workers)),
          failed: of((run) => run.failures),
          redis: (costs.length * REDIS_MS) / makespanMs,
          redisPeak: of((run) => (run.peakPerSecond * REDIS_MS) / 1000),
        };
      }),
    );
  });
}

/** What docs/scale.md says of them. */
export function scaleText(rows: readonly ScaleRow[]): string {
  const percent = (part: number): string => `${(part * 100).toPrecision(3)} %`;
  const works = [...new Map(rows.map((row) => [row.work, row])).values()];
  return [
    ...works.map(
      ({ work, jobs, cpuMs, longestMs }) =>
        `- ${work}: ${jobs} jobs, ${timeText(cpuMs)} of CPU, of which the longest job takes ${timeText(longestMs)}`,
    ),
    ...FAILURES.flatMap(({ name, perDay, source }) =>
      source === null ? [] : [`- ${name}: ${perDay.toPrecision(3)} failures a day of each. ${source}`],
    ),
    `- a job of a worker that failed is begun again ${LEASE_MS / 1000} to ${(2 * LEASE_MS) / 1000} s later, and another machine is there after ${REPLACED_MS / 60_000} minutes`,
    `- Redis has ${REDIS_MS} ms of CPU for a job`,
    '',
    '| work | failures | workers | makespan | used | lost | failed | Redis | in its busiest second |',
    '|---|---|---|---|---|---|---|---|---|',
    ...rows.map(
      ({ work, failures, workers, makespanMs, used, lost, failed, redis, redisPeak }) =>
        `| ${work} | ${failures} | ${workers} | ${timeText(makespanMs)} | ${percent(used)} | ${percent(lost)} | ${failed} | ${percent(redis)} | ${percent(redisPeak)} |`,
    ),
    '',
    ...works.map(({ work }) => verdict(rows.filter((row) => row.work === work))),
  ].join('\n');
}

/** What the rows of one work say. */
function verdict(rows: readonly ScaleRow[]): string {
  const [few, , many] = rows as [ScaleRow, ScaleRow, ScaleRow];
  const worst = rows.reduce((a, b) => (b.lost > a.lost ? b : a));
  const ends = many.longestMs > many.makespanMs / 2 ? 'the longest job decides' : 'no single job decides';
  const lost =
    worst.lost === 0
      ? 'In the middle one of five draws nothing is lost with machines that fail'
      : `At most ${(worst.lost * 100).toPrecision(2)} % of the time is lost with machines that fail (${worst.failures}, ${worst.workers} workers)`;
  const busy = (Math.max(...rows.map(({ redis }) => redis)) * 100).toPrecision(2);
  return `With ${many.work} ${many.workers} workers are ${(few.makespanMs / many.makespanMs).toPrecision(2)} times as fast as ${few.workers}: there ${ends}. ${lost}; Redis is busy for at most ${busy} % of the time.`;
}

function timeText(ms: number): string {
  const s = ms / 1000;
  if (s < 100) return `${s.toPrecision(2)} s`;
  return s < 6000 ? `${(s / 60).toPrecision(3)} min` : `${(s / 3600).toPrecision(3)} h`;
}

export function makespanPlot(rows: readonly ScaleRow[]): string {
  return plotOf(
    'makespan, in seconds',
    lines(rows, ({ makespanMs }) => makespanMs / 1000),
  );
}

export function loadPlot(rows: readonly ScaleRow[]): string {
  return plotOf(
    'of one core of Redis, in percent',
    lines(rows, ({ redis }) => redis * 100),
  );
}

export function wastePlot(rows: readonly ScaleRow[]): string {
  const failing = rows.filter(({ lost }) => lost > 0);
  return plotOf(
    'of the time, lost with workers, in percent',
    lines(failing, ({ lost }) => lost * 100),
  );
}

function lines(
  rows: readonly ScaleRow[],
  of: (row: ScaleRow) => number,
): { name: string; points: [number, number][] }[] {
  const names = new Set(rows.map(({ work, failures }) => `${work}, ${failures}`));
  return [...names].map((name) => ({
    name,
    points: rows.filter(({ work, failures }) => `${work}, ${failures}` === name).map((row) => [row.workers, of(row)]),
  }));
}

/** A fleet that nobody has: the script of docs/scale.md. */
export const scale: Measurement = {
  name: 'scale',
  about: `a sweep of 7.3 and the litmus library on ${WORKERS.join(', ')} simulated workers that fail: makespan, Redis, what is lost`,
  run: () =>
    scaleRows().flatMap(({ work, failures, workers, makespanMs, lost, redis }): Row[] => {
      const name = `${work}, ${failures}, ${workers} workers`;
      return [
        { name, value: makespanMs / 1000, unit: 's' },
        { name: `${name}, lost`, value: lost, unit: '' },
        { name: `${name}, Redis`, value: redis, unit: '' },
      ];
    }),
  svg: () => makespanPlot(scaleRows()),
};
