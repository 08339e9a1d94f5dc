// A campaign that many processes work off through a Redis, while they are killed, stopped and started again, must come to what one process comes to.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { jobOf } from '../../tools/campaign/campaign-job.js';
import { CampaignState } from '../../tools/campaign/campaign-state.js';
import { freePort, REDIS, startRedis } from '../../tools/campaign/redis-server.js';
import { isFull, isLong, some } from '../counts.js';
import { needs } from '../needs.js';
import { ROOT } from './installed.js';

const PASSWORD = 'kept-to-itself';
const MAIN = join(ROOT, 'bin/dmirror.js');
const running = new Set<ChildProcess>();
const folders: string[] = [];

afterEach(async () => {
  await Promise.all([...running].map((child) => end(child)));
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function start(program: string, args: readonly string[], cwd: string, env: Record<string, string>): ChildProcess {
  return kept(spawn(program, args, { cwd, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] }));
}

/** Ends with its test. */
function kept(child: ChildProcess): ChildProcess {
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** Resolves with all that it printed, once it has ended. */
async function ended(child: ChildProcess): Promise<string> {
  const text: Buffer[] = [];
  for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (part) => void text.push(part));
  await new Promise((resolve) => child.once('close', resolve));
  return Buffer.concat(text).toString();
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
  child.kill(signal);
  await gone(child);
}

/** Resolves once it is gone. */
async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null)
    await new Promise<void>((resolve) => child.once('exit', () => resolve()));
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** A folder with a campaign of probes, and a Redis that keeps its data in it. */
class Fleet {
  readonly folder = mkdtempSync(join(tmpdir(), 'dmirror-fleet-'));
  redis: ChildProcess | undefined;
  /** Whom it shows itself as, where it speaks TLS; and what its clients trust beside the world. */
  tls: { readonly cert: string; readonly key: string } | null = null;
  trusted: string | undefined;
  /** Seconds. */
  lease = 1;
  private readonly printed: Promise<string>[] = [];

  constructor(
    private readonly port: number,
    private readonly fsync: 'everysec' | 'always',
    probes: string,
  ) {
    folders.push(this.folder);
    writeFileSync(join(this.folder, 'c.yaml'), `name: fleet\nwhat: [{ probes: ${probes} }]\n`);
  }

  async startRedis(): Promise<void> {
    const own = ['--requirepass', PASSWORD, '--appendonly', 'yes', '--appendfsync', this.fsync];
    this.redis = kept(await startRedis(this.folder, [...own, ...this.portWords]));
  }

  private get portWords(): readonly string[] {
    if (this.tls === null) return ['--port', `${this.port}`];
    const { cert, key } = this.tls;
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-auth-clients', 'no'];
    return ['--port', '0', '--tls-port', `${this.port}`, ...files];
  }

  private queue(database = ''): readonly string[] {
    return ['--queue', `redis${this.tls === null ? '' : 's'}://:${PASSWORD}@127.0.0.1:${this.port}${database}`];
  }

  worker(database?: string): ChildProcess {
    return this.dmirror('worker', ...this.queue(database), '--jobs', '1', '--lease', `${this.lease}`);
  }

  submitter(...more: readonly string[]): ChildProcess {
    return this.dmirror('campaign', 'run', 'c.yaml', '--state', 'far', ...this.queue(), ...more);
  }

  /** Goes on with a campaign that is there. */
  resumer(): ChildProcess {
    return this.dmirror('campaign', 'resume', 'far', ...this.queue());
  }

  private dmirror(...args: readonly string[]): ChildProcess {
    const env = this.trusted === undefined ? {} : { NODE_EXTRA_CA_CERTS: this.trusted };
    const child = start(process.execPath, [MAIN, ...args], this.folder, env);
    this.printed.push(ended(child));
    return child;
  }

  /** Has its Redis do something. */
  ask(...words: readonly string[]): void {
    spawnSync('redis-cli', ['-p', `${this.port}`, '-a', PASSWORD, '--no-auth-warning', ...words]);
  }

  run(...args: readonly string[]) {
    return spawnSync(process.execPath, [MAIN, ...args], { cwd: this.folder, encoding: 'utf8', maxBuffer: 2 ** 28 });
  }

  /** Results that the campaign has. */
  get results(): string[] {
    try {
      const lines = readFileSync(join(this.folder, 'far/results.jsonl'), 'utf8').trimEnd().split('\n');
      return lines.flatMap((line) => (line.endsWith('}') ? (JSON.parse(line).token ?? []) : []));
    } catch {
      return [];
    }
  }

  async until(results: number): Promise<void> {
    while (this.results.length < results) await sleep(20);
  }

  /** All that its processes printed. */
  async talk(): Promise<string> {
    return (await Promise.all(this.printed)).join('\n');
  }
}

/** Only what hangs takes so long. */
const PATIENCE_MS = 3_600_000;
const COUNT = isLong ? 20_000 : isFull ? 2000 : 100;

/** A certificate for 127.0.0.1 that nobody else trusts. */
function certificate(folder: string): { cert: string; key: string } {
  const [cert, key] = ['cert.pem', 'key.pem'].map((name) => join(folder, name)) as [string, string];
  const subject = ['-subj', '/CN=dmirror', '-addext', 'subjectAltName=IP:127.0.0.1', '-days', '2'];
  spawnSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, ...subject]);
  return { cert, key };
}

describe('a fleet', needs(REDIS), () => {
  it.each(
    some(
      [
        ['everysec', COUNT],
        ['always', COUNT / 10],
      ] as const,
      2,
    ),
  )(
    'loses no result and counts none twice, with appendfsync %s and %i jobs',
    async (fsync, jobs) => {
      const fleet = new Fleet(await freePort(), fsync, `{ count: ${jobs}, ms: 5 }`);
      await fleet.startRedis();
      // Of a worker that only waits long for a core nobody takes its jobs three times.
      fleet.lease = 2;
      const workers = [fleet.worker(), fleet.worker(), fleet.worker()];
      const killed = fleet.submitter();
      await fleet.until(jobs / 10);
      await end(workers[0]!);
      workers[0] = fleet.worker();
      await fleet.until(jobs / 5);
      // Longer than its lease; what it does then is of a job that another has.
      workers[1]!.kill('SIGSTOP');
      await end(killed);
      const submitter = fleet.submitter();
      await fleet.until(jobs / 2);
      await end(fleet.redis!);
      await sleep(200);
      await fleet.startRedis();
      await sleep(2500);
      workers[1]!.kill('SIGCONT');
      await gone(submitter);
      const far = fleet.run('campaign', 'report', 'far').stdout;
      // First, as it says what has failed.
      expect(far.match(/^(# quarantined|not ok).*/gm) ?? []).toEqual([]);
      expect(submitter.exitCode).toBe(0);
      expect(fleet.results).toHaveLength(jobs);
      expect(new Set(fleet.results).size).toBe(jobs);
      expect(far).toBe(fleet.run('campaign', 'run', 'c.yaml', '--state', 'near').stdout);
      expect(far.match(/^ok /gm)).toHaveLength(jobs);
      for (const worker of workers) worker.kill('SIGTERM');
      expect(await fleet.talk()).not.toContain(PASSWORD);
    },
    PATIENCE_MS,
  );

  it('puts a job aside that ends three workers, and does the others, as one process does', async () => {
    const fleet = new Fleet(await freePort(), 'always', '{ count: 1, ms: 1 }');
    // No file of a campaign can ask for a job that kills.
    const machine = { path: 'classic', profile: '6.12', dialect: 'dmirror', seed: 1 } as const;
    const jobs = Array.from({ length: 5 }, (_, i) =>
      jobOf({ kind: 'probe', name: `${i}`, ...machine }, { i, ms: 1, kills: i === 0 }),
    );
    const plan = { campaign: { name: 'poison', budget: {}, stop: {} }, jobs };
    for (const name of ['far', 'near']) CampaignState.create(join(fleet.folder, name), plan, { fresh: false });
    await fleet.startRedis();
    const submitter = fleet.resumer();
    let deaths = 0;
    while (submitter.exitCode === null) {
      const worker = fleet.worker();
      await Promise.race([gone(worker), gone(submitter)]);
      if (submitter.exitCode === null) deaths++;
      else await end(worker);
    }
    expect([submitter.exitCode, deaths]).toEqual([1, 3]);
    const far = fleet.run('campaign', 'report', 'far');
    expect(far.stdout).toContain('quarantined: 3 workers ended');
    expect(far.stdout.match(/^ok /gm)).toHaveLength(4);
    const near = () => fleet.run('campaign', 'resume', 'near', '--jobs', '1');
    expect([near().signal, near().signal, near().signal]).toEqual(['SIGKILL', 'SIGKILL', 'SIGKILL']);
    expect(near().stdout).toBe(far.stdout);
  });

  it('says that no worker is there, and ends when it is told to, though Redis is gone', async () => {
    const fleet = new Fleet(await freePort(), 'always', '{ count: 1, ms: 1 }');
    await fleet.startRedis();
    const submitter = fleet.submitter();
    await new Promise<void>((told) =>
      submitter.stderr!.on('data', (text) => /no worker is there/.test(String(text)) && told()),
    );
    await end(fleet.redis!);
    submitter.kill('SIGTERM');
    await gone(submitter);
    expect(submitter.exitCode).toBe(143);
  });

  it('speaks TLS with whom it trusts, and writes the password nowhere', needs('openssl'), async () => {
    const fleet = new Fleet(await freePort(), 'always', '{ count: 3, ms: 1 }');
    fleet.tls = certificate(fleet.folder);
    await fleet.startRedis();
    const refused = fleet.submitter();
    await gone(refused);
    expect([refused.exitCode, await fleet.talk()]).toEqual([
      2,
      expect.stringMatching(/self-signed certificate\nNODE_EXTRA_CA_CERTS=FILE/),
    ]);
    fleet.trusted = fleet.tls.cert;
    const worker = fleet.worker();
    const submitter = fleet.submitter('--junit', 'far.xml', '--html', 'far.html');
    await gone(submitter);
    worker.kill('SIGTERM');
    await gone(worker);
    expect([submitter.exitCode, fleet.results.length]).toEqual([0, 3]);
    expect(await fleet.talk()).not.toContain(PASSWORD);
    // The Redis of this test keeps its own files beside.
    for (const name of ['far/plan.json', 'far/results.jsonl', 'far.xml', 'far.html'])
      expect(readFileSync(join(fleet.folder, name), 'utf8')).not.toContain(PASSWORD);
  });

  it('says what is wrong with a queue, and refuses one of another version, without its password', async () => {
    const fleet = new Fleet(await freePort(), 'always', '{ count: 1, ms: 1 }');
    const refused = fleet.submitter();
    const text = await fleet.talk();
    expect([refused.exitCode, text]).toEqual([2, expect.stringContaining('ECONNREFUSED')]);
    await fleet.startRedis();
    const lost = fleet.worker('/99');
    const large = fleet.worker('/99999999999999999999');
    const said = await fleet.talk();
    expect(said).toMatch(/can't be used: ERR DB index is out of range/);
    expect(said).toMatch(/can't be used: ERR value is not an integer or out of range/);
    expect(said).not.toContain('there again');
    expect([lost.exitCode, large.exitCode]).toEqual([2, 2]);
    for (const [words, said] of [
      [['set', 'dmirror:version', '0.0.7'], /is of dmirror 0\.0\.7, this is /],
      [['hset', 'dmirror:version', 'x', 'y'], /can't be used: WRONGTYPE[^\n]*\nsomething else has keys/],
    ] as const) {
      fleet.ask('del', 'dmirror:version');
      fleet.ask(...words);
      const [worker, submitter] = [fleet.worker(), fleet.submitter()];
      const talk = await fleet.talk();
      expect([worker.exitCode, submitter.exitCode]).toEqual([2, 2]);
      expect(talk).toMatch(said);
      expect(talk).not.toContain(PASSWORD);
    }
    for (const url of some(['http://x', 'redis', 'redis://:x@127.0.0.1:1'], 3))
      expect(fleet.run('worker', '--queue', url).status).toBe(2);
  });
});
