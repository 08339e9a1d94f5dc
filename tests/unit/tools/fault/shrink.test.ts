import { expect, it } from 'vitest';
import { explore } from '../../../../driver/explore/index.js';
import { raceOf } from '../../../../tools/explore/explore-work.js';
import { RACE_TOKEN } from '../../../../tools/explore/race-token.js';
import { shippedTest } from '../../../../tools/explore/shipped-tests.js';
import { shrink } from '../../../../tools/fault/shrink.js';
import { recordedOutput } from '../recorded-output.js';

const HOW = { path: 'classic', profile: '6.12' } as const;

it('takes from a race what its finding does not need', async () => {
  const shipped = shippedTest('mig-dontneed');
  const test = { ...shipped, observe: shipped.observe.slice(0, 1) };
  const race = raceOf(test, HOW);
  const [found] = explore(race, { budget: 200, until: ({ findings }) => findings.length > 0 }).findings;
  const token = RACE_TOKEN.write({ test, ...HOW, injections: [], choices: found!.witness });
  const output = recordedOutput();
  expect(await shrink(token, { defect: [] }, output)).toBe(1);
  const smaller = output.lines.at(-1)!;
  expect(smaller.length).toBeLessThan(200);
  const { test: left } = RACE_TOKEN.read(smaller);
  expect(left.observe).toEqual([]);
  expect(left.setup.length).toBeLessThan(test.setup.length);
  expect(output.lines.slice(0, -1).join('\n')).toContain(`# thread: ${left.threads[0]!.join('; ')}`);
  const { test: small, choices } = RACE_TOKEN.read(smaller);
  const [again] = explore(raceOf(small, HOW), { strategy: 'replay', choices }).findings;
  expect(again).toMatchObject({ kind: 'invariant', message: expect.stringMatching(/^mirror entry of page/) });
});

it('says of a schedule with nothing wrong, and of a program, why there is nothing to make smaller', async () => {
  const token = RACE_TOKEN.write({
    test: shippedTest('mig-unmap'),
    ...HOW,
    path: 'classic',
    injections: [],
    choices: [],
  });
  await expect(shrink(token, { defect: [] }, recordedOutput())).rejects.toThrow(/shows nothing wrong/);
  await expect(shrink('dm2:case:x:y:z', { defect: [] }, recordedOutput())).rejects.toThrow(/is of a program/);
});
