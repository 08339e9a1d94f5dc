/** One number that a measurement found. Ratios compare two costs of the same run, so they mean the same on any host. */
export interface Row {
  readonly name: string;
  readonly value: number;
  /** Between these lies the true median in at least 90 of 100 cases. */
  readonly interval?: readonly [low: number, high: number];
  readonly unit: string;
  /** What we aim for, as a reader's guide; nothing checks it. */
  readonly goal?: string;
}

/** A named measurement. `run` may take a few seconds and may be called again. */
export interface Measurement {
  readonly name: string;
  /** What is compared with what, in one sentence. */
  readonly about: string;
  run(): Row[] | Promise<Row[]>;
  /** The same as a picture, of those that have one. */
  svg?(): string;
}

/** Milliseconds that one call of `work` takes: the least of `rounds`, as noise only ever adds. */
export function leastMs(rounds: number, work: () => void): number {
  let least = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    work();
    least = Math.min(least, performance.now() - start);
  }
  return least;
}

/** Milliseconds of `a` and of `b`, taken in turns, each the median of `rounds`. `before` prepares a round of `a`, untimed. */
export function medianPairMs(
  rounds: number,
  work: { before?(): void; a(): void; b(): void },
): { a: number; b: number } {
  const a: number[] = [];
  const b: number[] = [];
  for (let round = 0; round < rounds; round++) {
    work.before?.();
    a.push(leastMs(1, work.a));
    b.push(leastMs(1, work.b));
  }
  return { a: median(a), b: median(b) };
}

/** Milliseconds that one call of `work` takes until its promise is kept: the median of `rounds`. */
export async function medianMsAsync(rounds: number, work: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await work();
    times.push(performance.now() - start);
  }
  return median(times);
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >>> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
