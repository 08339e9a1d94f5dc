import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { constants, tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import { EXIT_MEANING } from '../../tools/exit-code.js';
import { some } from '../counts.js';
import { needs } from '../needs.js';

const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../..');
const folder = mkdtempSync(join(tmpdir(), 'dmirror-endings-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Started {
  readonly pid: number;
  kill(signal: NodeJS.Signals): void;
  /** Resolves when it has printed `text` on stdout. */
  printed(text: string): Promise<void>;
  readonly ended: Promise<Ended>;
}

/** The command, its stdout closed at the first line with `closeStdout`. */
function start(args: readonly string[], { closeStdout = false, env = {} } = {}): Started {
  const child = spawn(process.execPath, [join(ROOT, 'bin/dmirror.js'), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  let err = '';
  let looks: (() => void)[] = [];
  child.stdout.on('data', (text) => {
    out += text;
    if (closeStdout) child.stdout.destroy();
    for (const look of looks) look();
  });
  child.stderr.on('data', (text) => {
    err += text;
  });
  const ended = new Promise<Ended>((done) => child.once('close', (code) => done({ code, out, err })));
  return {
    pid: child.pid!,
    kill: (signal) => void child.kill(signal),
    ended,
    printed: (text) =>
      new Promise((done, failed) => {
        const look = (): void => {
          if (!out.includes(text)) return;
          looks = looks.filter((other) => other !== look);
          done();
        };
        looks.push(look);
        look();
        void ended.then(() => failed(new Error(`it ended without '${text}': ${out}${err}`)));
      }),
  };
}

const run = (...args: string[]): Promise<Ended> => start(args).ended;
const at = (name: string): string => join(folder, name);

describe('an output that can not be written', () => {
  const missing = at('missing/x.xml');
  const COMMANDS: readonly (readonly string[])[] = [
    ['selftest', '-t', 'hmm.*.open_close', '--junit', missing],
    ['conform', 'tests/conform/recordings/small.jsonl.gz', '--junit', missing],
    ['fault', 'run', 'tests/faults/plans/trylock-fails-on-page-3.yaml', '--junit', missing],
    ['fault', 'sweep', 'hmm.hmm_device_private.open_close', '--workers', '0', '--junit', missing],
    ['fault', 'wire', '--junit', missing],
    ['abi', 'matrix', '--html', missing],
    ['abi', 'check', '6.12', 'B-onfault', '--write-suppressions', missing],
  ];

  it.each(some(COMMANDS, 4))('is named before the work starts: %s', async (...args) => {
    expect(await run(...args)).toEqual({
      code: 3,
      out: '',
      err: `error: ${args.at(-2)} '${missing}' cannot be written: its folder does not exist\n`,
    });
  });

  it('is named when the disk is full', async () => {
    const { code, err } = await run('selftest', '-t', 'hmm.*.open_close', '--junit', '/dev/full');
    expect({ code, err }).toEqual({
      code: 3,
      err: "error: --junit '/dev/full' cannot be written: no space left on the device\n",
    });
  });

  it('is named when a program writes to a full disk', needs('riscv64-linux-gnu-gcc'), () => {
    const program = at('writes');
    spawnSync('riscv64-linux-gnu-gcc', ['-static', '-o', program, '-x', 'c', '-'], {
      input: '#include <unistd.h>\nint main() { return write(1, "x", 1) != 1; }\n',
    });
    const script = `${process.execPath} ${join(ROOT, 'bin/dmirror.js')} exec ${program} > /dev/full`;
    const { status, stderr } = spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    expect([status, stderr]).toEqual([3, 'error: stdout cannot be written: no space left on the device\n']);
  });

  it('keeps what a file held when the run does not come to its end', async () => {
    const file = at('kept.xml');
    writeFileSync(file, 'before');
    const { code } = await run('selftest', '-t', 'nothing', '--junit', file);
    expect(code).toBe(2);
    expect(readFileSync(file, 'utf8')).toBe('before');
  });
});

describe('a stdout that is closed', () => {
  it('ends the command with 141 and one line', async () => {
    const { code, err } = await start(['selftest'], { closeStdout: true }).ended;
    expect({ code, err }).toEqual({ code: 141, err: 'dmirror: stdout was closed: its reader went away\n' });
  });

  it('leaves files whole', async () => {
    const file = at('whole.xml');
    const args = ['selftest', '--path', 'unified', '-t', 'hmm.*.*anon*', '--junit', file];
    const { code } = await start(args, { closeStdout: true }).ended;
    expect(code).toBe(141);
    expect(readFileSync(file, 'utf8')).toMatch(/<testsuites name="dmirror selftest" tests="20" .*<\/testsuites>\n$/s);
  });
});

describe('a signal', () => {
  const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  const statusOf = (signal: NodeJS.Signals): number => 128 + constants.signals[signal];

  it('ends explore in the middle of a test with what it has', async () => {
    const file = at('big.yaml');
    const three = "threads: [['dm 0 0 READ 0 0 4'], ['dm 0 0 WRITE 0 0 4 9'], ['unmap 0 0 0 4']]";
    writeFileSync(file, `setup: ['open 0 0', 'map 0 0 0 4 anon rw', 'store 0 0 0 4 1']\n${three}\n`);
    const started = start(['explore', file, '--budget', '999999999']);
    await started.printed('1..1');
    started.kill('SIGINT');
    const { code, out } = await started.ended;
    expect(code).toBe(statusOf('SIGINT'));
    expect(out).toMatch(/^# \d+ outcomes?, interrupted, \d+ schedules .*^ok 1 big\n# interrupted\n$/ms);
  });

  it.each(some(SIGNALS, 3))('%s ends selftest with what it has, in KTAP and JUnit', async (signal) => {
    const file = at(`${signal}.xml`);
    const started = start(['selftest', '--junit', file]);
    await started.printed('ok 2 ');
    started.kill(signal);
    const { code, out } = await started.ended;
    expect(code).toBe(statusOf(signal));
    const [, pass] = /^# interrupted\n# Totals: pass:(\d+) fail:0 skip:0\n$/m.exec(out)!;
    expect(out.match(/^ +ok \d+ hmm\./gm)).toHaveLength(Number(pass));
    expect(readFileSync(file, 'utf8')).toMatch(new RegExp(`tests="${pass}" failures="0".*</testsuites>\n$`, 's'));
  });

  it.each(some(['2', '1'], 2))('ends conform with what it has, %s jobs', async (jobs) => {
    const families = ['mix', 'thp', 'pin', 'huge', 'swap'].map((name) => `tests/conform/recordings/${name}.jsonl.gz`);
    const file = at('conform.xml');
    const started = start(['conform', ...families, '--jobs', jobs, '--junit', file]);
    await until(() => holdsHandler(started.pid));
    started.kill('SIGINT');
    const { code, out } = await started.ended;
    expect(code).toBe(130);
    expect(out).toMatch(/^# interrupted\n\d+ sequences, \d+ ops replayed, 0 divergences \(path classic\)\n$/);
    expect(readFileSync(file, 'utf8')).toMatch(/<\/testsuites>\n$/);
  });

  it('ends bench with what it has', async () => {
    const started = start(['bench']);
    await until(() => holdsHandler(started.pid));
    started.kill('SIGINT');
    const { code, out } = await started.ended;
    expect(code).toBe(130);
    expect(out).toMatch(/# interrupted\n\d+ of \d+ measurements\n$/);
  });

  it('ends a sweep, whose runs are kept, with a word on where and how to go on', async () => {
    const tmp = at('sweep');
    mkdirSync(tmp);
    const args = ['fault', 'sweep', 'hmm', '--path', 'unified', '--workers', '1'];
    const started = start(args, { env: { TMPDIR: tmp } });
    const kept = () => readdirSync(tmp).filter((name) => name.startsWith('dmirror-sweep-'));
    await until(() => kept().length > 0);
    started.kill('SIGTERM');
    const { code, out, err } = await started.ended;
    expect(code).toBe(143);
    expect(out).toContain('# interrupted');
    expect(err).toContain(`runs are kept in ${join(tmp, kept()[0]!)}: the same command goes on`);
  });
});

describe('daemons that a command started', () => {
  it.each(some(['SIGKILL', 'SIGTERM', 'closed stdout'] as const, 3))(
    'are gone with their folder after %s',
    async (end) => {
      const tmp = at(end.replace(' ', '-'));
      mkdirSync(tmp);
      const args = ['selftest', '--daemon', '--jobs', '2'];
      const started = start(args, { env: { TMPDIR: tmp }, closeStdout: end === 'closed stdout' });
      if (end !== 'closed stdout') {
        await started.printed('ok 2 ');
        expect(processesOf(tmp)).toHaveLength(2);
        started.kill(end);
      }
      await started.ended;
      await until(() => processesOf(tmp).length === 0 && readdirSync(tmp).length === 0);
      expect(readdirSync(tmp)).toEqual([]);
    },
  );
});

describe('programs of a suite', needs('riscv64-linux-gnu-gcc'), () => {
  it.each(some(['SIGTERM', 'SIGKILL'] as const, 2))(
    'are gone after %s, and those that ended are told of',
    async (end) => {
      const suite = at(`suite-${end}`);
      mkdirSync(suite);
      for (const [name, source] of [
        ['a-ends', 'int main(void) { return 0; }'],
        ['b-endless', 'int main(void) { for (volatile int i = 0;;) i++; }'],
      ] as const)
        spawnSync('riscv64-linux-gnu-gcc', ['-static', '-o', join(suite, name), '-x', 'c', '-'], { input: source });
      // The folder is in the arguments of every program of it.
      const file = join(suite, 'runs.yaml');
      writeFileSync(file, `[{ program: a-ends }, { program: b-endless, args: ['${suite}/'] }]`);
      const started = start(['exec', '--suite', suite, '--expect', file, '--jobs', '1']);
      await until(() => processesOf(suite).some((args) => args.includes('./b-endless')));
      started.kill(end);
      const { code, out } = await started.ended;
      await until(() => processesOf(suite).length === 0);
      if (end === 'SIGKILL') return;
      expect(code).toBe(143);
      expect(out).toMatch(/^ok 1 a-ends\nok 2 b-endless \/.*\/ # SKIP interrupted\n# interrupted\n$/m);
    },
  );
});

describe('a socket', () => {
  it('of a longer path than the system has room for is refused before listening', async () => {
    const path = join(folder, 'x'.repeat(120));
    const { code, err } = await run('serve', '--socket', path);
    expect(code).toBe(2);
    expect(err).toContain(`at most 107 bytes here, and this one has ${path.length}: ${path}`);
  });

  it('in a folder that is missing is not a lack of permission', async () => {
    const { code, err } = await run('serve', '--socket', at('missing/s'));
    expect({ code, err: err.split('\n')[0] }).toEqual({
      code: 2,
      err: `error: the folder ${at('missing')} does not exist; make it, or name another path with --socket`,
    });
  });

  it('that accepts and never answers is given up', async () => {
    const path = at('mute');
    const mute = createServer(() => {});
    await new Promise<void>((listening) => mute.listen(path, listening));
    const program = at('program');
    writeFileSync(program, minimalElf());
    const commands = [
      ['trace', '--socket', path],
      ['selftest', '--connect', path],
      ['exec', '--socket', path, program],
    ];
    const ended = await Promise.all(commands.map((args) => run(...args)));
    mute.close();
    for (const [i, { code, err }] of ended.entries())
      expect({ command: commands[i], code, err: err.split('\n')[0] }).toEqual({
        command: commands[i],
        code: 2,
        err: `error: disconnected: ${path} accepts connections and says nothing for 5 s: is it a dmirror daemon?`,
      });
  });

  it('that nobody listens on costs selftest --connect one line', async () => {
    const { code, out, err } = await run('selftest', '--connect', at('nobody'));
    expect({ code, out, lines: err.trim().split('\n').length }).toEqual({ code: 2, out: '', lines: 2 });
  });

  it('whose daemon ends is said by trace', async () => {
    const path = at('served');
    const daemon = start(['serve', '--socket', path]);
    await daemon.printed(path);
    const trace = start(['trace', '--socket', path]);
    await until(() => holdsHandler(trace.pid));
    daemon.kill('SIGTERM');
    const { code, err } = await trace.ended;
    expect({ code, said: err.includes(`the daemon on ${path} has ended`) }).toEqual({ code: 0, said: true });
    expect((await daemon.ended).code).toBe(0);
  });
});

describe('the table of exit statuses', () => {
  const COMMANDS = [
    ...['selftest', 'bench', 'conform', 'explore', 'serve', 'trace', 'doctor', 'completion', 'exec'].map((name) => [
      name,
    ]),
    ...['list', 'run', 'sweep', 'wire', 'replay', 'shrink', 'import'].map((name) => ['fault', name]),
    ...['show', 'check', 'matrix', 'name', 'history'].map((name) => ['abi', name]),
  ];

  it.each(some(COMMANDS, 20))('is in the help of %s', async (...command) => {
    const { code, out } = await run(...command, '--help');
    expect({ code, says: /Exit status:/.test(out) }).toEqual({ code: 0, says: true });
  });

  it('has only what can occur, and why', async () => {
    const { out } = await run('fault', 'shrink', '--help');
    expect(out).toMatch(/Exit status:\n {2}1 +what still fails .*\n {2}2 +wrong usage, or what is given does not fail/);
  });

  it('is in README, row for row', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    for (const [status, meaning] of Object.values(EXIT_MEANING)) expect(readme).toContain(`| ${status} | ${meaning} |`);
  });
});

/** Waits for something that comes, however long it takes. */
async function until(is: () => boolean): Promise<void> {
  while (!is()) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** The arguments of those that have something below `tmp` among them. */
function processesOf(tmp: string): string[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const args = readFileSync(`/proc/${name}/cmdline`, 'utf8');
      return args.includes(`${tmp}/`) ? args : [];
    } catch {
      return [];
    }
  });
}

/** SIGINT would not end the process by itself: the command has begun its work. */
function holdsHandler(pid: number): boolean {
  const [, caught] = /^SigCgt:\s*([0-9a-f]+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!;
  return (BigInt(`0x${caught}`) & (1n << BigInt(constants.signals.SIGHUP - 1))) !== 0n;
}

/** A header that passes for a static RV64 program. */
function minimalElf(): Uint8Array {
  const bytes = new Uint8Array(64 + 56);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 2, true);
  view.setUint16(18, 243, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(24, 0x10000n, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(52, 64, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, 1, true);
  view.setUint32(68, 5, true);
  view.setBigUint64(80, 0x10000n, true);
  return bytes;
}
