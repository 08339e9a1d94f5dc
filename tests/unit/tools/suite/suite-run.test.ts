import { describe, expect, it } from 'vitest';
import { StopRequest } from '../../../../tools/output.js';
import { junitXml } from '../../../../tools/report/junit.js';
import { Progress } from '../../../../tools/report/progress.js';
import { JsonReporter, KtapReporter, type Reporter } from '../../../../tools/report/report.js';
import type { CaseResult } from '../../../../tools/report/runner.js';
import { runSuite } from '../../../../tools/suite/suite-run.js';
import type { Transport } from '../../../../uapi/client/transport.js';
import { CheckError, type SelftestCase, type SelftestContext, SkipError } from '../../../selftests/case.js';
import { leaves, parseKtap } from '../ktap-parser.js';

const PASS: SelftestCase = { name: 'hmm.fake.pass', suite: 'hmm', run: async () => {} };
const FAIL: SelftestCase = {
  name: 'hmm.fake.fail',
  suite: 'hmm',
  run: async () => {
    throw new CheckError('cpages of MIGRATE_TO_DEV', 1024, 1023);
  },
};
const SKIP: SelftestCase = {
  name: 'migrate_on_fault.fake.skip',
  suite: 'migrate_on_fault',
  run: async () => {
    throw new SkipError('needs a third device');
  },
};

function caseOf(run: (ctx: SelftestContext) => Promise<void>): SelftestCase {
  return { name: 'hmm.fake.own', suite: 'hmm', run };
}

interface Ran {
  readonly results: readonly CaseResult[];
  readonly text: string;
  readonly booted: object[];
  readonly closed: number;
}

async function run(
  cases: readonly SelftestCase[],
  { close = async () => {}, json = false, timeoutMs = 600_000, lanes = 1 } = {},
): Promise<Ran> {
  const lines: string[] = [];
  const booted: object[] = [];
  let closed = 0;
  const write = (line: string) => void lines.push(line);
  const reporter: Reporter = json ? new JsonReporter(write) : new KtapReporter(write);
  const results = await runSuite(cases, reporter, {
    seed: 7,
    paths: ['classic', 'unified'],
    timeoutMs,
    now: () => 0,
    stop: new StopRequest(),
    progress: new Progress({ write: () => {} }, {}, () => 0),
    lanes: Array.from({ length: lanes }, (_, i) => {
      const lane = { i };
      return (options: object): Transport => {
        booted.push(options);
        const end = async () => {
          closed++;
          await close();
        };
        return Object.assign({ call: async () => ({ ret: 0 }), createProcess: async () => 1, close: end }, { lane });
      };
    }),
  });
  return { results, text: `${lines.join('\n')}\n`, booted, closed };
}

describe('runSuite', () => {
  it('writes one KTAP result a case and path, under its suite', async () => {
    const { text } = await run([PASS, FAIL, SKIP]);
    expect(leaves(parseKtap(text)).map(({ path, node }) => `${node.ok} ${path} ${node.skip ?? ''}`.trim())).toEqual([
      'true classic > hmm > hmm.fake.pass',
      'false classic > hmm > hmm.fake.fail',
      'true classic > migrate_on_fault > migrate_on_fault.fake.skip needs a third device',
      'true unified > hmm > hmm.fake.pass',
      'false unified > hmm > hmm.fake.fail',
      'true unified > migrate_on_fault > migrate_on_fault.fake.skip needs a third device',
    ]);
  });

  it('reports a failure with the case, both values, the seed and the command that reruns it', async () => {
    const { text } = await run([FAIL]);
    const { diagnostics } = leaves(parseKtap(text))[0]!.node;
    const lines = diagnostics.filter((line) => !line.includes('at '));
    expect(lines.map((line) => line.trim())).toEqual([
      'Subtest: hmm',
      'hmm.fake.fail failed: cpages of MIGRATE_TO_DEV',
      'expected: 1024 (0x400)',
      'actual:   1023 (0x3ff)',
      'seed: 7, path: classic',
      'rerun: npx --no-install dmirror selftest -t hmm.fake.fail --path classic --seed 7',
    ]);
  });

  it('boots with the seed and path and what the case adds, and closes every machine', async () => {
    const both = caseOf(async ({ boot }) => {
      await boot({ coherent: true });
      await boot();
      throw new Error('late');
    });
    const { booted, closed, results } = await run([both]);
    expect(booted.slice(0, 2)).toEqual([
      { seed: 7, path: 'classic', coherent: true },
      { seed: 7, path: 'classic' },
    ]);
    expect([booted.length, closed]).toEqual([4, 4]);
    expect(results[0]).toMatchObject({ status: 'fail', message: 'late' });
  });

  it('fails a case whose machine does not close well, and one that throws nothing in particular', async () => {
    const opens = caseOf(async ({ boot }) => void (await boot()));
    const close = async () => {
      throw new Error('refcount of pfn 7 is 1, counted 0');
    };
    expect((await run([opens], { close })).results[0]).toMatchObject({ status: 'fail', message: /refcount of pfn 7/ });
    const throwsNothing = caseOf(() => Promise.reject(undefined));
    expect((await run([throwsNothing])).results[0]!.status).toBe('fail');
  });

  it('fails a case that never ends', async () => {
    const hangs = caseOf(() => new Promise(() => {}));
    const { results } = await run([hangs], { timeoutMs: 5 });
    expect(results[0]!.message).toBe('no result after 0.005 s: a call never finished');
  });

  it('writes JSON lines that hold the same', async () => {
    const { text } = await run([FAIL, SKIP], { json: true });
    const records = text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ type }) => type)).toEqual(['start', 'case', 'case', 'case', 'case', 'end']);
    expect(records[1]).toMatchObject({
      schemaVersion: 1,
      name: FAIL.name,
      status: 'fail',
      expected: '1024 (0x400)',
      seed: 7,
    });
    expect(records[2]).toMatchObject({ status: 'skip', reason: 'needs a third device', path: 'classic' });
    expect(records.at(-1)).toMatchObject({ pass: 0, fail: 2, skip: 2 });
  });
});

describe('several lanes', () => {
  /** Cases that end in another order than they begin in, some of them badly. */
  const cases = Array.from({ length: 12 }, (_, i): SelftestCase => {
    const run = async () => {
      for (let left = (i * 7) % 5; left > 0; left--) await new Promise((resolve) => setImmediate(resolve));
      if (i % 4 === 1) throw new CheckError(`value ${i}`, 1, 2);
      if (i % 4 === 2) throw new SkipError(`reason ${i}`);
    };
    return { name: `hmm.fake.case${i}`, suite: i < 8 ? 'hmm' : 'migrate_on_fault', run };
  });

  it('report the same as one, in the same order, in every format', async () => {
    for (const json of [false, true]) {
      const one = await run(cases, { json });
      for (const lanes of [2, 3, 20]) {
        const several = await run(cases, { json, lanes });
        expect(several.text).toBe(one.text);
        expect(several.results).toEqual(one.results);
      }
    }
  });

  it('wait in the report for a case that never ends, and for no other', async () => {
    const hangs = caseOf(() => new Promise(() => {}));
    const { results } = await run([PASS, hangs, PASS, FAIL], { timeoutMs: 50, lanes: 2 });
    expect(results.map(({ status }) => status)).toEqual([
      'pass',
      'fail',
      'pass',
      'fail',
      'pass',
      'fail',
      'pass',
      'fail',
    ]);
  });

  it('run one case at a time each, all of them busy', async () => {
    const running = new Map<object, number>();
    const most = { together: 0, inOneLane: 0 };
    const inLane = caseOf(async ({ boot }) => {
      const { lane } = (await boot()) as unknown as { lane: object };
      running.set(lane, (running.get(lane) ?? 0) + 1);
      const counts = [...running.values()];
      most.inOneLane = Math.max(most.inOneLane, ...counts);
      most.together = Math.max(
        most.together,
        counts.reduce((sum, count) => sum + count, 0),
      );
      await new Promise((resolve) => setImmediate(resolve));
      running.set(lane, running.get(lane)! - 1);
    });
    await run(Array(10).fill(inLane), { lanes: 3 });
    expect(most).toEqual({ together: 3, inOneLane: 1 });
  });
});

describe('junitXml', () => {
  it('groups by path and suite, counts and escapes', () => {
    const base = { name: 'hmm.f.a', suite: 'hmm', path: 'classic', ms: 1500 } as const;
    const xml = junitXml(
      [
        { ...base, status: 'pass' },
        { ...base, name: 'hmm.f.b', status: 'fail', message: 'a < "b" & \u0000c', diagnostics: [']]>'] },
        { ...base, name: 'migrate_on_fault.c', suite: 'migrate_on_fault', status: 'skip', reason: 'none' },
      ],
      { name: 'dmirror selftest', properties: { seed: 7, profile: undefined }, at: new Date(0) },
    );
    expect(xml).toBe(`<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="dmirror selftest" tests="3" failures="1" errors="0" skipped="1" time="4.500">
  <testsuite name="classic.hmm" tests="2" failures="1" errors="0" skipped="0" time="3.000" timestamp="1970-01-01T00:00:00">
    <properties>
      <property name="seed" value="7"/>
      <property name="path" value="classic"/>
    </properties>
    <testcase classname="classic.hmm.f" name="a" time="1.500"/>
    <testcase classname="classic.hmm.f" name="b" time="1.500"><failure message="a &lt; &quot;b&quot; &amp; \ufffdc">]]&gt;</failure></testcase>
  </testsuite>
  <testsuite name="classic.migrate_on_fault" tests="1" failures="0" errors="0" skipped="1" time="1.500" timestamp="1970-01-01T00:00:00">
    <properties>
      <property name="seed" value="7"/>
      <property name="path" value="classic"/>
    </properties>
    <testcase classname="classic.migrate_on_fault" name="c" time="1.500"><skipped message="none"/></testcase>
  </testsuite>
</testsuites>
`);
  });
});
