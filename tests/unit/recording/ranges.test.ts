import { expect, it } from 'vitest';
import { without } from '../../../driver/recording/ranges.js';

const range = (start: number, end: number) => ({ start, end });

it('leaves what no vma has', () => {
  const vmas = [range(2, 4), range(6, 8)];
  expect(without([range(0, 10)], vmas)).toEqual([range(0, 2), range(4, 6), range(8, 10)]);
  expect(without([range(6, 9), range(3, 7)], vmas)).toEqual([range(4, 6), range(8, 9)]);
  expect(without([range(2, 4), range(6, 7)], vmas)).toEqual([]);
  expect(without([range(5, 6)], [])).toEqual([range(5, 6)]);
});
