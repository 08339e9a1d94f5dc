// Measures what the units of commands take, for tools/shard/costs.json: node tools/build/measure-costs.js FOLDER [COMMAND...]
// FOLDER keeps the blob of each command and the time it took; a command whose blob is there is not run again. `exec` needs MM_PROGRAMS,
// the folder that tests/guest/selftests-mm/build.sh has filled. What a command had in the file is kept where it is not named.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { casesByName } from '../../dist/tools/fault/sweep/cases.js';
import { jobsOf } from '../../dist/tools/fault/sweep/sweep.js';
import { Sweeper } from '../../dist/tools/fault/sweep/sweep-job.js';
import { costsText } from '../../dist/tools/shard/costs.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE = join(ROOT, 'tools/shard/costs.json');
/** The longest form of each, one unit at a time. */
const COMMANDS = {
  selftest: ['selftest', '--profile', '7.3'],
  conform: ['conform', '--jobs', '1'],
  'fault wire': ['fault', 'wire'],
  explore: ['explore', '--jobs', '1', '--allow-incomplete', '--budget', '100'],
  'series review': ['series', 'review'],
  exec: [
    'exec',
    ...['--suite', process.env.MM_PROGRAMS ?? ''],
    ...['--expect', join(ROOT, 'tests/guest/selftests-mm/suite.yaml'), '--dialect', '6.12', '--jobs', '1'],
  ],
};

/** Whole it takes hours, so that of each case a few runs are measured. */
const SWEEP = 'fault sweep';
const SWEPT_RUNS = 8;
const CAMPAIGN_SCHEDULES = 2000;
const NAMES = [...Object.keys(COMMANDS), SWEEP];

const [folder, ...named] = process.argv.slice(2);
if (folder === undefined || named.some((name) => !NAMES.includes(name))) {
  console.error(`usage: measure-costs.js FOLDER [COMMAND...], of ${NAMES.join(', ')}`);
  process.exit(2);
}
mkdirSync(folder, { recursive: true });
const file = JSON.parse(readFileSync(FILE, 'utf8'));
for (const name of named.length === 0 ? NAMES : named)
  Object.assign(
    file.commands,
    JSON.parse(costsText(name, await (name === SWEEP ? sweepCosts() : measured(name)))).commands,
  );
const commands = Object.fromEntries(Object.entries(file.commands).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(FILE, `${JSON.stringify({ version: file.version, commands }, null, 2)}\n`);

/** The units of a command, in milliseconds of CPU: on a busy machine the wall time says more of the others. */
function measured(name) {
  const blob = join(folder, 'blob-report', `${name.replaceAll(' ', '-')}-1-of-1.json`);
  const time = blob.replace(/json$/, 'time');
  if (!existsSync(blob)) run(COMMANDS[name], time);
  const { results } = JSON.parse(readFileSync(blob, 'utf8'));
  const wallMs = results.reduce((sum, { ms }) => sum + ms, 0);
  const [, user, system] = readFileSync(time, 'utf8').trim().split(' ').map(Number);
  const part = Math.min(1, ((user + system) * 1000) / wallMs);
  console.log(
    `${name}: ${results.length} units, ${Math.round(wallMs / 1000)} s, of which ${Math.round(part * 100)} % on a CPU`,
  );
  return results.map((one) => ({ ...one, ms: one.ms * part * timesMore(one.result) }));
}

/** An exploration that is not complete would go on to as many schedules as a campaign allows. */
function timesMore({ verdict, schedules }) {
  return verdict === 'budget' ? CAMPAIGN_SCHEDULES / schedules : 1;
}

function run(words, time) {
  const line = 'TIMEFORMAT="%R %U %S"; time "$@" > /dev/null 2>> "$LOG"';
  const args = [process.execPath, join(ROOT, 'bin/dmirror.js'), ...words, '--shard', '1/1', '--report', 'blob'];
  const env = { ...process.env, LOG: `${time}.log` };
  mkdirSync(join(folder, 'blob-report'), { recursive: true });
  const { stderr } = spawnSync('bash', ['-c', line, 'bash', ...args], { cwd: folder, env, encoding: 'utf8' });
  writeFileSync(time, stderr);
}

/** Each case's clean run, and as much as all its other runs take by those in the middle, which begin at snapshots as most do. */
async function sweepCosts() {
  const profile = '7.3';
  const options = { profile, seed: 1, pages: 66, rounds: 2, all: false, pairs: 0, defects: [], first: false };
  const sweeper = new Sweeper(casesByName(profile), options);
  const costs = [];
  for (const job of jobsOf([], { path: undefined, profile })) {
    const [clean, cleanMs] = await onCpu(() => sweeper.clean(job));
    const { chosen } = clean;
    const first = Math.max(0, (chosen.length - SWEPT_RUNS) >> 1);
    const some = chosen.slice(first, first + SWEPT_RUNS);
    const [, ms] = await onCpu(() => sweeper.slice(job, some));
    const others = some.length === 0 ? 0 : (ms / some.length) * chosen.length;
    costs.push({ name: `${job.path} ${job.name}`, ms: cleanMs + others, runs: chosen.length + 1 });
  }
  const sum = (of) => Math.round(costs.reduce((all, cost) => all + of(cost), 0));
  console.log(
    `${SWEEP}: ${costs.length} units, ${sum(({ runs }) => runs)} runs, ${sum(({ ms }) => ms / 1000)} s of CPU`,
  );
  return costs;
}

async function onCpu(work) {
  const begun = process.cpuUsage();
  const result = await work();
  const { user, system } = process.cpuUsage(begun);
  return [result, (user + system) / 1000];
}
