const { DMIRROR_FULL, DMIRROR_SEED, DMIRROR_PATH } = process.env;

/** 0 for the small counts of `npm test`, 1 for CI's full ones, n for n times those (`npm run check:long`). */
const FACTOR = Number(DMIRROR_FULL ?? 0);

/** Whether all there is shall be taken, of recordings above all, rather than a fixed sample. */
export const isFull = FACTOR >= 1;

/** `npm run check:long`: what takes CI too long is taken too. */
export const isLong = FACTOR > 1;

/** All, or of each `one` in a row the first. */
export function some<T>(all: readonly T[], one: number): readonly T[] {
  return isFull ? all : all.filter((_, i) => i % one === 0);
}

/** Every so manieth is taken: of all with `npm run check:long`, in CI, and with `npm test`. */
export function stride(ci: number, small: number): number {
  if (isLong) return 1;
  return isFull ? ci : small;
}

/** How many seeds, lives or schedules a test tries. */
export function count(small: number, full: number): number {
  return isFull ? full * FACTOR : small;
}

/** Parameters of a property: how many runs, or the seed and path of the one that a failure printed. */
export function runs(small: number, full: number): { numRuns: number; seed?: number; path?: string } {
  return {
    numRuns: count(small, full),
    ...(DMIRROR_SEED === undefined ? {} : { seed: Number(DMIRROR_SEED) }),
    ...(DMIRROR_PATH === undefined ? {} : { path: DMIRROR_PATH }),
  };
}
