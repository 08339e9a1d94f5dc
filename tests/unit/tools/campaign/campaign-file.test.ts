import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { toJsonSchema } from '@valibot/to-json-schema';
import { expect, it, onTestFinished } from 'vitest';
import { readCampaign } from '../../../../tools/campaign/campaign-file.js';
import { jobsOfCampaign } from '../../../../tools/campaign/campaign-jobs.js';
import { runCampaign, statusOf } from '../../../../tools/campaign/campaign-run.js';
import { CAMPAIGN } from '../../../../tools/campaign/campaign-schema.js';
import { CampaignState } from '../../../../tools/campaign/campaign-state.js';
import { packageVersion } from '../../../../tools/package-root.js';
import { ROOT } from '../../structure/tree.js';
import { recordedOutput } from '../recorded-output.js';

const FILE = join(ROOT, 'docs/schemas/campaign.schema.json');

it('docs/schemas/campaign.schema.json says what is checked', () => {
  const schema = toJsonSchema(CAMPAIGN, { target: 'draft-2020-12', typeMode: 'input', errorMode: 'ignore' });
  const text = `${JSON.stringify({ ...schema, title: 'A campaign of dmirror' }, null, 1)}\n`;
  if (process.env.DMIRROR_UPDATE) writeFileSync(FILE, text);
  else expect(readFileSync(FILE, 'utf8'), 'DMIRROR_UPDATE=1 renews it').toBe(text);
});

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-campaign-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return folder;
}

function jobs(text: string): ReturnType<typeof jobsOfCampaign> {
  const file = join(scratch(), 'c.yaml');
  writeFileSync(file, text.startsWith('name:') ? text : `name: c\n${text}`);
  const { campaign, wrong } = readCampaign(file);
  return jobsOfCampaign(campaign, wrong);
}

it('tries each of a dimension with each of the others, but where it makes no difference', () => {
  const matrix = "profiles: [6.12, '7.3']\nseeds: [1, 2, 3]\n";
  expect(jobs(`${matrix}what: [{ cases: [hmm.hmm_device_private.anon_read] }]`)).toHaveLength(12);
  expect(jobs(`${matrix}what: [{ litmus: [mig-unmap] }]`)).toHaveLength(4);
  expect(jobs(`${matrix}strategies: [pct]\nwhat: [{ litmus: [mig-unmap] }]`)).toHaveLength(12);
  expect(jobs('what: [{ probes: { count: 3, ms: 1 } }, { probes: { count: 2, ms: 1 } }]')).toHaveLength(3);
});

it.each([
  ['what: [{ casses: [a] }]', ":2:10: there is no 'what.0.casses' (did you mean 'cases'?)"],
  ['whta: [{ cases: [hmm] }]', ":2:1: there is no 'whta' (did you mean 'what'?)"],
  ['what: [{ cases: [a], litmus: [b] }]', ':2:8: what.0: an item has one of cases, sweeps'],
  ['what: [{ litmus: [mig-unmp] }]', ":2:18: what.0: no litmus test is named 'mig-unmp' (did you mean 'mig-unmap'?)"],
  ['what: [{ plans: [slow-cpy] }]', "no shipped plan is named 'slow-cpy' (did you mean 'slow-copy'?)"],
  ['what: [{ cases: [hmm] }]\npaths: [clasic]', ":3:9: paths.0: no path 'clasic' (did you mean 'classic'?)"],
  ['what: [{ cases: [hmm] }]\nseed: [1]', ":3:1: there is no 'seed' (did you mean 'seeds'?)"],
  ['what: [{ cases: [hmm] }]\nstop: { finding: 1 }', ":3:9: there is no 'stop.finding' (did you mean 'findings'?)"],
  ['what: [{ cases: [hmm] }]\nbudget: { time: 3 days }', ':3:17: budget.time: a time is as 90s, 30m or 2h'],
  ['what: [{ probes: { count: 1, ms: 1, kill: true } }]', ":2:37: there is no 'what.0.probes.kill'"],
  ...['..', '-', '_a'].map((name): [string, string] => [
    `name: '${name}'\nwhat: [{ cases: [hmm] }]`,
    ':1:7: name: a name begins with a letter or digit',
  ]),
  ['what: [{ cases: [hmm] }', ':2:'],
])('%s is refused', (text, why) => {
  expect(() => jobs(text)).toThrow(why);
});

it('counts a result once, keeps the shortest token of findings that are alike, and outlives a line that was cut', () => {
  const all = jobs('what: [{ probes: { count: 3, ms: 1 } }]');
  const folder = join(scratch(), 'state');
  const plan = { campaign: { name: 'c', budget: {}, stop: {} }, jobs: all };
  const state = CampaignState.create(folder, plan, { fresh: false });
  const found = (token: string, page: string) => ({
    ...({ status: 'fail', runs: 2, ms: 1, message: 'wrong' } as const),
    findings: [{ check: 'books', functions: ['try_to_migrate'], page, message: page, token }],
  });
  expect(state.add(all[1]!.token, found('dm2:longer', 'folio #'))).toBe(true);
  expect(state.add(all[1]!.token, found('dm2:x', 'another'))).toBe(false);
  state.add(all[0]!.token, found('dm2:short', 'folio #'));
  writeFileSync(join(folder, 'results.jsonl'), '{"token":"dm2:jo', { flag: 'a' });
  const again = CampaignState.open(folder);
  expect([again.results.size, again.runs, again.left]).toEqual([2, 4, [all[2]]]);
  expect(again.findings()).toMatchObject([{ count: 2, token: 'dm2:short', page: 'folio #' }]);
  again.add(all[2]!.token, found('dm2:other', 'vma #'));
  expect(CampaignState.open(folder).findings()).toHaveLength(2);
  const longer = { ...plan, campaign: { ...plan.campaign, budget: { runs: 9 } } };
  expect(CampaignState.create(folder, longer, { fresh: false }).results.size).toBe(3);
  expect(CampaignState.open(folder).plan.campaign.budget).toEqual({ runs: 9 });
  const other = { ...plan, jobs: all.slice(1) };
  expect(() => CampaignState.create(folder, other, { fresh: false })).toThrow('has another campaign');
});

it.each([
  ['budget: { runs: 7 }', 'the runs of the budget are done'],
  ['budget: { runs: 8 }', 'cancelled'],
  ['budget: { time: 2s }', 'the time of the budget is over'],
  ['stop: { findings: 2 }', 'so many findings end it'],
  ['stop: { failures: 1 }', 'so many failures end it'],
])('%s: %s', async (rule, why) => {
  const file = join(scratch(), 'c.yaml');
  writeFileSync(file, `name: c\n${rule}\nwhat: [{ probes: { count: 3, ms: 1 } }]\n`);
  const { campaign, wrong } = readCampaign(file);
  const { budget, stop } = campaign;
  const plan = { campaign: { name: 'c', budget, stop }, jobs: jobsOfCampaign(campaign, wrong) };
  const state = CampaignState.create(join(scratch(), 'state'), plan, { fresh: false });
  const found = (page: string) => ({ check: 'books', functions: [], page, message: page, token: null });
  const isPassed = why.startsWith('the ') || why === 'cancelled';
  const findings = isPassed ? [] : [found('folio'), found('vma')];
  state.add(plan.jobs[0]!.token, { status: isPassed ? 'pass' : 'fail', runs: 7, ms: 1, message: '', findings });
  let ms = 0;
  const output = recordedOutput(() => {
    // The second look at the clock is before the first job.
    if (why === 'cancelled') state.folder.cancel();
    ms += 1500;
    return ms;
  });
  expect(await runCampaign(state, { jobs: 1 }, output)).toBe(why);
  expect([statusOf(state, why), state.results.size]).toEqual([isPassed ? 5 : 1, 1]);
});

it('what a state can not be used for is said', () => {
  const folder = join(scratch(), 'state');
  const plan = { campaign: { name: 'c', budget: {}, stop: {} }, jobs: [] };
  const create = (where: string, fresh = false) => CampaignState.create(where, plan, { fresh });
  create(folder);
  // The parent of this process lives, and is another one.
  const running = join(folder, 'running');
  const pid = process.ppid;
  const stat = existsSync('/proc/self/stat') ? readFileSync(`/proc/${pid}/stat`, 'latin1') : null;
  const started = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  const parent = { pid, host: hostname(), started, before: 0, at: Date.now() };
  for (const [owner, said] of [
    [parent, `is run by process ${pid}`],
    [{ ...parent, host: 'elsewhere' }, `is run by process ${pid} of host elsewhere`],
  ] as const) {
    writeFileSync(running, JSON.stringify(owner));
    for (const run of [() => create(folder, true), () => CampaignState.open(folder).folder.own(0)])
      expect(run).toThrow(
        expect.objectContaining({ message: `${folder} ${said}`, hint: expect.stringContaining(running) }),
      );
  }
  // A number that another process has by now, one that none has, and what is no owner at all.
  for (const text of [
    ...(started === null ? [] : [JSON.stringify({ ...parent, started: '1' })]),
    JSON.stringify({ ...parent, pid: 2 ** 30 }),
    `${pid} 0 ${parent.at}`,
    'null',
  ]) {
    writeFileSync(running, text);
    const { folder: own } = CampaignState.open(folder);
    expect(own.owner(), text).toBeNull();
    own.own(0);
    expect(own.owner()?.pid).toBe(process.pid);
    own.release();
  }
  writeFileSync(join(folder, 'results.jsonl'), 'null\n[]\n{"token":5}\n{"token":"x","result":{}}\n');
  expect(CampaignState.open(folder).results.size).toBe(0);
  create(folder, true);
  expect(() => create(join(folder, 'missing/state'))).toThrow('its folder does not exist');
  expect(() => create('/proc/dmirror')).toThrow('cannot be written');
  expect(() => CampaignState.open('/nonexistent')).toThrow("plan.json can't be read: it does not exist");
  for (const [text, said] of [
    ['{"version', 'is no plan of a campaign'],
    ['null', 'is no plan of a campaign'],
    [JSON.stringify({ version: packageVersion() }), 'is no plan of a campaign'],
    ['{"version":"0.0.7"}', 'is of dmirror 0.0.7, this is'],
  ] as const) {
    writeFileSync(join(folder, 'plan.json'), text);
    expect(() => CampaignState.open(folder)).toThrow(said);
  }
});

it('a folder keeps what is not of the campaign', () => {
  const folder = scratch();
  const file = (name: string): string => join(folder, name);
  const plan = { campaign: { name: 'c', budget: {}, stop: {} }, jobs: [] };
  const create = (fresh: boolean) => CampaignState.create(folder, plan, { fresh });
  const refuses = (): void => {
    const before = readdirSync(folder);
    for (const fresh of [false, true]) expect(() => create(fresh)).toThrow('is not empty and holds no campaign');
    expect(readdirSync(folder)).toEqual(before);
  };
  writeFileSync(file('results.jsonl'), 'mine');
  refuses();
  writeFileSync(file('plan.json'), '{"version":"1","jobs":[]}');
  refuses();
  for (const name of ['results.jsonl', 'plan.json']) rmSync(file(name));
  // A process was killed while it wrote the plan.
  writeFileSync(file('plan.json.new'), '{"ver');
  create(false).folder.cancel();
  writeFileSync(file('notes'), 'mine');
  writeFileSync(file('results.jsonl'), '{}\n');
  create(true);
  expect(readdirSync(folder)).toEqual(['notes', 'plan.json']);
  mkdirSync(file('results.jsonl'));
  expect(() => CampaignState.open(folder)).toThrow("results.jsonl can't be read: it is a folder");
  expect(() => create(true)).toThrow(/results.jsonl cannot be written: .*director/);
});

it.each([
  ['recordings: [/nonexistent]', "/nonexistent can't be read: it does not exist"],
  ['recordings: [/dev/null]', '/dev/null: it is empty'],
  ['suites: [/nonexistent]', "/nonexistent can't be read"],
])('%s is a mistake in the file', (what, said) => {
  expect(() => jobs(`what: [{ ${what} }]\n`)).toThrow(said);
  expect(() => jobs(`what: [{ ${what} }]\n`)).toThrow(/c\.yaml:2:\d+/);
});
