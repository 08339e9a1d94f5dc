import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  blockable,
  hasSignal,
  NO_SIGNALS,
  signalSet,
  union,
  without,
} from '../../../../driver/sys/processes/signal-set.js';
import { SIGKILL, SIGSTOP } from '../../../../uapi/signal.js';

const signos = fc.uniqueArray(fc.integer({ min: 1, max: 64 }));
const members = (set: typeof NO_SIGNALS) =>
  Array.from({ length: 64 }, (_, i) => i + 1).filter((n) => hasSignal(set, n));
const sorted = (numbers: Iterable<number>) => [...new Set(numbers)].sort((a, b) => a - b);

it('is a set of the numbers 1 to 64', () => {
  fc.assert(
    fc.property(signos, signos, (a, b) => {
      expect(members(signalSet(...a))).toEqual(sorted(a));
      expect(members(union(signalSet(...a), signalSet(...b)))).toEqual(sorted([...a, ...b]));
      expect(members(without(signalSet(...a), signalSet(...b)))).toEqual(sorted(a.filter((n) => !b.includes(n))));
      expect(members(blockable(signalSet(...a)))).toEqual(sorted(a.filter((n) => n !== SIGKILL && n !== SIGSTOP)));
    }),
  );
  expect(members(NO_SIGNALS)).toEqual([]);
});
