import { describe, expect, it } from 'vitest';
import { EFAULT, EINVAL } from '../../../../uapi/errno.js';
import { DeviceMachine } from '../../dmirror/device-machine.js';
import { Serving } from '../../mm/userfault/serving.js';

const PAGES = 4;

/** Memory whose missing pages somebody else serves: `served` lists them, each begins with the word 500 + its number. */
function world(profile: '6.19' | '7.3') {
  const w = new DeviceMachine({ profile });
  w.anon(0, PAGES);
  const serving = new Serving(w, PAGES);
  serving.serve = (page) => serving.fill(page, 500 + page);
  return { w, served: serving.asked, file: w.open(0) };
}

describe('memory that a userfaultfd serves', () => {
  it('can be read by READ_UNLOCKED, which lets go of mmap_lock for each page', () => {
    const { w, served, file } = world('7.3');
    expect(w.command(file, 'READ_UNLOCKED', 0, PAGES)).toMatchObject({
      ret: 0,
      cpages: PAGES,
      faults: 1,
      words: [500, 501, 502, 503],
    });
    expect(served).toEqual(['missing 0', 'missing 1', 'missing 2', 'missing 3']);
    w.check();
  });

  it('can not be read by READ, as nobody may let go of the lock', () => {
    const { w, served, file } = world('7.3');
    expect(w.command(file, 'READ', 0, PAGES).ret).toBe(-EFAULT);
    expect(served).toEqual([]);
    expect(w.words(0, 1)).toEqual([500]);
    expect(w.command(file, 'READ', 0, 1)).toMatchObject({ ret: 0, words: [500] });
    w.check();
  });

  it('is no hole that a migration may fill', () => {
    const { w, file } = world('7.3');
    expect(w.command(file, 'MIGRATE_TO_DEV', 0, PAGES).ret).toBe(-2);
    expect(w.text(0, PAGES)).toBe('PTE 0-3 NONE');
    w.check();
  });

  it('is read like any other where it is there, and elsewhere READ_UNLOCKED is READ', () => {
    const { w, served, file } = world('7.3');
    w.anon(PAGES, 2);
    w.fill(PAGES, 2, 70);
    expect(w.command(file, 'READ_UNLOCKED', PAGES, 2)).toMatchObject({ ret: 0, cpages: 2, words: [70, 71] });
    expect(w.command(file, 'READ_UNLOCKED', 3 * PAGES, 1).ret).toBe(-EFAULT);
    expect(served).toEqual([]);
  });
});

it('READ_UNLOCKED is no command before 7.3', () => {
  const { w, file } = world('6.19');
  expect(w.command(file, 'READ_UNLOCKED', 0, PAGES).ret).toBe(-EINVAL);
});
