import { EventEmitter } from 'node:events';
import { expect, it } from 'vitest';
import { exploreDiff } from '../../../../tools/explore/explore-run.js';
import { type ExploreTask, work } from '../../../../tools/explore/explore-worker.js';
import { namedTests } from '../../../../tools/explore/shipped-tests.js';
import { StopRequest } from '../../../../tools/output.js';
import { recordedOutput } from '../recorded-output.js';

it('compares the two sides of one test with each other, however many others were done before it was told to stop', async () => {
  const task = (name: string, path: 'classic' | 'unified'): ExploreTask => ({
    test: namedTests([name])[0]!,
    how: { path, profile: '6.12', strategy: 'dpor', budget: 100, seed: 1, isChecked: true },
  });
  const pairs = ['mig-unmap', 'mig-snap'].map((name) => [task(name, 'classic'), task(name, 'unified')] as const);
  const done = new Set<unknown>([pairs[0]![0], pairs[1]![1]]);
  const signals = new EventEmitter();
  const output = {
    ...recordedOutput(),
    stop: new StopRequest(signals as never).watch(),
    share: {
      pick: <Unit>(units: readonly Unit[]) => units,
      known: (unit: object) => (done.has(unit) ? work(unit as ExploreTask) : undefined),
      keep: () => {},
    },
  };
  signals.emit('SIGINT', 'SIGINT');
  const options = { sides: ['classic', 'unified'], jobs: 1, allowIncomplete: true, json: false };
  expect(await exploreDiff(pairs, options, output)).toBe(0);
  expect(output.lines).toEqual(['0 tests, 0 outcomes that one side alone has', '# interrupted']);
});

it('says of two sides what is wrong with either, and that one was cut off', async () => {
  const [test] = namedTests(['mig-snap']) as [ExploreTask['test']];
  const wrong = { ...test, conditions: { forbid: [], allow: [], require: ['nothing'] } };
  const how = { profile: '6.12', strategy: 'dpor', budget: 2, seed: 1, isChecked: true } as const;
  const side = (path: 'classic' | 'unified'): ExploreTask => ({ test: wrong, how: { ...how, path } });
  const output = {
    ...recordedOutput(),
    share: { pick: <Unit>(units: readonly Unit[]) => units, known: () => undefined, keep: () => {} },
  };
  const options = { sides: ['a', 'b'], jobs: 1, allowIncomplete: true, json: false };
  expect(await exploreDiff([[side('classic'), side('unified')]], options, output as never)).toBe(5);
  expect(output.lines.slice(0, 2)).toEqual([
    'mig-snap: a: not reached yet: nothing',
    'mig-snap: b: not reached yet: nothing',
  ]);
  expect(output.lines.slice(-3)).toEqual([
    '# 2 of 2 explorations are not complete',
    '# mig-snap: a: budget, 2 schedules',
    '# mig-snap: b: budget, 2 schedules',
  ]);
  output.lines.length = 0;
  await exploreDiff([[side('classic'), side('unified')]], { ...options, json: true }, output as never);
  expect(JSON.parse(output.lines.at(-1)!)).toEqual({
    test: 'mig-snap',
    compared: ['a', 'b'].map((name) => ({ side: name, verdict: 'budget', schedules: 2 })),
  });
});
