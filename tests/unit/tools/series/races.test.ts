import { expect, it } from 'vitest';
import { races } from '../../../../tools/series/races.js';

it('the late form against DONTNEED waits for a folio that it holds, or leaves one locked; unified does not', () => {
  const [found] = races('posted-late', 300);
  expect(found?.length).toBeGreaterThan(0);
  for (const { message, isCleanWhenRepaired } of found!) {
    expect(message).toMatch(/waits for folio|returns to user holding folio_lock/);
    expect(isCleanWhenRepaired).toBe(true);
  }
});
