// A campaign of every kind of work, and one that is looked at, killed, gone on with and cancelled, as a user does.

import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, describe, expect, it } from 'vitest';
import { COMPILER, GuestBuild } from '../guest/compile.js';
import { needs } from '../needs.js';
import { ROOT } from './installed.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-campaign-'));
const build = new GuestBuild();
afterAll(() => {
  build.remove();
  rmSync(folder, { recursive: true, force: true });
});

const MAIN = join(ROOT, 'bin/dmirror.js');

function campaign(...words: readonly string[]) {
  return spawnSync(process.execPath, [MAIN, 'campaign', ...words], { cwd: folder, encoding: 'utf8' });
}

function write(name: string, text: string): void {
  writeFileSync(join(folder, name), text);
}

describe('a campaign', () => {
  it('has work of every kind, guest programs among it, and its findings with tokens', needs(COMPILER), () => {
    mkdirSync(join(folder, 'programs'));
    spawnSync('cp', [build.compile('hello'), join(folder, 'programs/hello')]);
    write('programs/suite.yaml', '- { program: hello, needs: { ram: 64M }, expect: { status: 7 } }\n');
    const small = gunzipSync(readFileSync(join(ROOT, 'tests/conform/recordings/small.jsonl.gz')))
      .toString()
      .split('\n');
    const first = small.findIndex((line, i) => i > 0 && !line.includes('"seq":"small-0"'));
    write('mine.jsonl', `${small.slice(0, first).join('\n')}\n`);
    write('wrong.yaml', `name: wrong\nsetup: [map 0 0 0 1 anon rw]\nthreads: [[unmap 0 0 0 1]]\nforbid: ['*']\n`);
    write(
      'all.yaml',
      `name: all
what:
  - suites: [programs]
  - plans: [slow-copy]
  - cases: [hmm.hmm_device_private.open_close]
  - sweeps: [hmm.hmm_device_private.open_close]
  - recordings: [mine.jsonl]
  - litmus: [mig-unmap, wrong.yaml]
paths: [unified]
strategies: [pct, dpor]
faults: [0, 1]
schedules: 4
`,
    );
    const { stdout, stderr, status } = campaign('run', 'all.yaml', '--json');
    const lines = stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    const jobs = lines.filter(({ type }) => type === 'job');
    expect({
      status,
      jobs: jobs.map(({ status, name }) => `${status} ${name.replace(/ \(.*/, '')}`),
      stderr,
    }).toMatchObject({
      status: 1,
      jobs: [
        'pass suite hello',
        'pass plan slow-copy',
        'pass case hmm.hmm_device_private.open_close',
        'pass sweep hmm.hmm_device_private.open_close',
        'pass recording small-0',
        ...['pct', 'dpor'].flatMap((strategy) =>
          ['0', '1'].flatMap((faults) => [
            `pass litmus mig-unmap ${strategy} ${faults}`,
            `fail litmus wrong ${strategy} ${faults}`,
          ]),
        ),
      ],
    });
    const findings = lines.filter(({ type }) => type === 'finding');
    expect(findings).toMatchObject([{ check: 'condition', count: 4, token: expect.stringMatching(/^dm2:/) }]);
  });

  it('is looked at while it runs, goes on after a kill, is cancelled, and comes to the same in the end', async () => {
    write('c.yaml', 'name: c\nwhat: [{ probes: { count: 60, ms: 30 } }]\n');
    const run = () =>
      spawn(process.execPath, [MAIN, 'campaign', 'run', 'c.yaml', '--jobs', '1'], { cwd: folder, stdio: 'ignore' });
    const status = () => JSON.parse(campaign('status', 'c.campaign', '--json').stdout);
    const until = async (done: number): Promise<void> => {
      while (lines('c.campaign/results.jsonl') < 2 * done) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    const killed = run();
    await until(2);
    const watch = spawn(process.execPath, [MAIN, 'campaign', 'status', 'c.campaign', '--watch', '--json'], {
      cwd: folder,
    });
    const seen: string[] = [];
    watch.stdout.on('data', (text) => seen.push(String(text)));
    const watched = once(watch, 'close');
    await once(watch.stdout, 'data');
    killed.kill('SIGKILL');
    await watched;
    const looks = seen
      .join('')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(looks[0]).toMatchObject({
      name: 'c',
      total: 60,
      failed: 0,
      process: killed.pid,
      leftMs: expect.any(Number),
    });
    expect(looks.at(-1)).toMatchObject({ process: null, leftMs: null });
    const going = run();
    await until(looks.at(-1).done + 2);
    expect(campaign('cancel', 'c.campaign').stdout).toBe(
      `process ${going.pid} ends it after the jobs that it has begun\n`,
    );
    const [code] = await once(going, 'exit');
    const { done } = status();
    expect([code, done < 60, done > looks.at(-1).done]).toEqual([5, true, true]);
    const resumed = campaign('resume', 'c.campaign');
    expect([resumed.status, status()]).toMatchObject([0, { done: 60, process: null, findings: [] }]);
    expect(resumed.stdout).toBe(campaign('run', 'c.yaml', '--state', 'other').stdout);
  });
});

/** How many a file has so far. */
function lines(name: string): number {
  try {
    return readFileSync(join(folder, name), 'utf8').split('\n').length;
  } catch {
    return 0;
  }
}
