import { expect, it } from 'vitest';
import { explore } from '../../../../driver/explore/index.js';
import { raceOf } from '../../../../tools/explore/explore-work.js';
import { NO_CONDITIONS } from '../../../../tools/explore/litmus-file.js';
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
  expect(await shrink([token], { defect: [] }, output)).toBe(1);
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

it('keeps an outcome that is named, and says what the token comes to when that is another', async () => {
  const test = { ...shippedTest('mig-unmap'), observe: [], conditions: NO_CONDITIONS };
  const { outcomes } = explore(raceOf(test, HOW), { strategy: 'bounded', preemptions: 1, isChecked: false });
  const [, { witness: choices }] = [...outcomes].find(([outcome]) => outcome.startsWith('-2 '))!;
  const token = RACE_TOKEN.write({ test, ...HOW, injections: [], choices });
  const output = recordedOutput();
  expect(await shrink([token], { defect: [], outcome: '-2 *| 0 =>*' }, output)).toBe(1);
  const id = RACE_TOKEN.read(output.lines.at(-1)!);
  expect(id.test.setup.length).toBeLessThan(test.setup.length);
  const again = explore(raceOf(id.test, HOW), { strategy: 'replay', choices: id.choices });
  expect([...again.outcomes.keys()][0]).toMatch(/^-2 .* => $/);
  await expect(shrink([token], { defect: [], outcome: '0 *' }, output)).rejects.toThrow(
    /comes to '-2 .*', which is not/,
  );
  await expect(shrink(['dm2:case:x:y:z'], { defect: [], outcome: '*' }, output)).rejects.toThrow(
    /--outcome is of a race/,
  );
});

it('says of a schedule with nothing wrong, and of a program, why there is nothing to make smaller', async () => {
  const token = RACE_TOKEN.write({
    test: shippedTest('mig-unmap'),
    ...HOW,
    path: 'classic',
    injections: [],
    choices: [],
  });
  await expect(shrink([token], { defect: [] }, recordedOutput())).rejects.toThrow(/shows nothing wrong/);
  await expect(shrink(['dm2:case:x:y:z'], { defect: [] }, recordedOutput())).rejects.toThrow(/is of a program/);
});
