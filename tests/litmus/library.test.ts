import { describe, expect, it } from 'vitest';
import { litmusLibrary } from './library.js';

describe('the litmus library', () => {
  const tests = litmusLibrary();

  it('has at least 150 tests, each of a name and a race of its own', () => {
    expect(tests.length).toBeGreaterThanOrEqual(150);
    expect(new Set(tests.map(({ name }) => name)).size).toBe(tests.length);
    const races = tests.map(({ setup, threads, profile }) =>
      JSON.stringify([setup, threads.map(String).sort(), profile]),
    );
    const twice = tests.filter((_, i) => races.indexOf(races[i]!) !== i).map(({ name }) => name);
    expect(twice).toEqual([]);
  });
});
