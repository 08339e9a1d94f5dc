/**
 * How big the cases are where the kernel's suite leaves it open. A fault sweep runs each case thousands of times, and
 * then 66 pages (which cross the end of a 64-page chunk) and two rounds, or schedules of a race, show what 1024 and ten do.
 */
export const scale = { bufferBytes: 4 << 20, rounds: 10, schedules: 8 };

/** What `run` does with cases that big; afterwards they are as big as before. */
export async function atScale<T>(sizes: Partial<typeof scale>, run: () => Promise<T>): Promise<T> {
  const before = { ...scale };
  Object.assign(scale, sizes);
  try {
    return await run();
  } finally {
    Object.assign(scale, before);
  }
}
