import { Prng } from '../../driver/core/prng.js';

/** Machines that work a queue of jobs off, and fail. */
interface FleetModel {
  readonly workers: number;
  /** Of one worker; it fails at any time alike. */
  readonly failuresPerDay: number;
  readonly seed: number;
}

/** What came of it. */
interface FleetRun {
  readonly makespanMs: number;
  /** Work that was begun and lost with its worker. */
  readonly lostMs: number;
  readonly failures: number;
  /** Jobs that Redis handed out in the busiest second. */
  readonly peakPerSecond: number;
}

/** CPU of Redis for one job, from its arrival to its removal; `dmirror bench fleet` measures it. */
export const REDIS_MS = 1;
/** As `dmirror worker --lease` has it; a look for workers that are gone comes once in so long too. */
export const LEASE_MS = 30_000;
/** Until another machine has taken the place of one that failed. */
export const REPLACED_MS = 300_000;
const DAY_MS = 86_400_000;

interface Worker {
  /** When it can take a job. */
  at: number;
  failsAt: number;
}

/** Replays jobs of known costs, in their order, until the last is done. Redis serves one request at a time. */
export function simulateFleet(costs: readonly number[], { workers, failuresPerDay, seed }: FleetModel): FleetRun {
  const prng = new Prng(seed);
  const drawn = (): number => (prng.nextU32() + 1) / 2 ** 32;
  const life = (): number =>
    failuresPerDay === 0 ? Number.POSITIVE_INFINITY : (-Math.log(drawn()) * DAY_MS) / failuresPerDay;
  const fleet = new SoonestFirst(
    Array.from({ length: Math.min(workers, costs.length) }, () => ({ at: 0, failsAt: life() })),
  );
  const lost: { ms: number; from: number }[] = [];
  const perSecond = new Map<number, number>();
  const run = { makespanMs: 0, lostMs: 0, failures: 0 };
  let redisAt = 0;
  let next = 0;
  while (next < costs.length || lost.length > 0) {
    const worker = fleet.soonest;
    const again = lost.findIndex(({ from }) => from <= worker.at);
    if (again < 0 && next === costs.length) {
      worker.at = Math.min(...lost.map(({ from }) => from));
      fleet.sink();
      continue;
    }
    redisAt = Math.max(redisAt, worker.at) + REDIS_MS;
    const begun = redisAt;
    const ms = again < 0 ? costs[next++]! : lost.splice(again, 1)[0]!.ms;
    const second = Math.floor(begun / 1000);
    perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    if (worker.failsAt > begun + ms) {
      worker.at = begun + ms;
      run.makespanMs = Math.max(run.makespanMs, worker.at);
    } else {
      const failedAt = Math.max(begun, worker.failsAt);
      run.failures++;
      run.lostMs += failedAt - begun;
      lost.push({ ms, from: failedAt + LEASE_MS * (1 + drawn()) });
      worker.at = failedAt + REPLACED_MS;
      worker.failsAt = worker.at + life();
    }
    fleet.sink();
  }
  return { ...run, peakPerSecond: Math.max(...perSecond.values()) };
}

/** A heap of workers by when they are free. */
class SoonestFirst {
  constructor(private readonly all: Worker[]) {}

  get soonest(): Worker {
    return this.all[0]!;
  }

  /** The soonest is free later now. */
  sink(): void {
    const { all } = this;
    for (let i = 0; ; ) {
      const [left, right] = [2 * i + 1, 2 * i + 2];
      const child = right < all.length && all[right]!.at < all[left]!.at ? right : left;
      if (child >= all.length || all[child]!.at >= all[i]!.at) return;
      [all[i], all[child]] = [all[child]!, all[i]!];
      i = child;
    }
  }
}
