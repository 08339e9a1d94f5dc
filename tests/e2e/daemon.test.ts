import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { connect } from '../../uapi/client/connect.js';
import { Dmirror } from '../../uapi/client/dmirror-device.js';
import { ProcessHandle } from '../../uapi/client/process-handle.js';
import { some } from '../counts.js';
import { needs } from '../needs.js';
import { tempFolder, until } from '../unit/daemon/helpers.js';

const BIN = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/dmirror.js');
const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

interface Running {
  readonly child: ChildProcess;
  out: string;
  err: string;
  readonly ended: Promise<number | null>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [BIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once('close', resolve));
  const running: Running = { child, out: '', err: '', ended };
  child.stdout!.on('data', (text) => {
    running.out += text;
  });
  child.stderr!.on('data', (text) => {
    running.err += text;
  });
  return running;
}

async function serving(...args: string[]): Promise<Running & { path: string }> {
  const path = join(tempFolder(), 'socket');
  const running = start('serve', '--socket', path, '--ram', '64M', ...args);
  await until(() => running.out !== '' || running.child.exitCode !== null);
  return Object.assign(running, { path });
}

describe('dmirror serve', () => {
  it.each(some(['SIGTERM', 'SIGINT'] as const, 2))(
    'ends cleanly at %s, with a session under way, and removes its socket',
    async (signal) => {
      const { child, path, ended, ...running } = await serving();
      expect(running.out).toBe(`${path}\n`);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const process = await ProcessHandle.create(await connect({ socket: path }));
      await process.fork();
      const sleeper = process.wait();
      child.kill(signal);
      await expect(sleeper).rejects.toThrow('shutting-down');
      expect(await ended).toBe(0);
      expect(existsSync(path)).toBe(false);
    },
  );

  it('replaces the socket of a daemon that is gone', async () => {
    const first = await serving();
    first.child.kill('SIGKILL');
    await first.ended;
    expect(existsSync(first.path)).toBe(true);
    const second = start('serve', '--socket', first.path, '--ram', '64M');
    await until(() => second.out !== '' || second.child.exitCode !== null);
    await (await connect({ socket: first.path })).close();
  });

  it('refuses a socket where somebody listens, and a file that is none', async () => {
    const first = await serving();
    const second = start('serve', '--socket', first.path);
    expect(await second.ended).toBe(2);
    expect(second.err).toMatch(/a daemon is already listening on .*socket; stop it or name another path with --socket/);
    await (await connect({ socket: first.path })).close();
    const file = join(tempFolder(), 'file');
    writeFileSync(file, 'mine');
    const third = start('serve', '--socket', file);
    expect(await third.ended).toBe(2);
    expect(third.err).toMatch(/exists and is no socket/);
    expect(existsSync(file)).toBe(true);
  });

  it('speaks what its options say, and logs as JSON', async () => {
    const running = await serving(
      '--dialect',
      '6.12',
      '--path',
      'unified',
      '--seed',
      '7',
      '--strict',
      '--limit',
      'threads=2',
      '--log-format',
      'json',
    );
    const session = await connect({ socket: running.path, client: 'a "test"\n' });
    expect(session.info).toMatchObject({ dialect: 'M5', path: 'unified', seed: 7, strict: true, ramBytes: 2 ** 26 });
    const process = await ProcessHandle.create(session);
    await process.fork();
    await expect(process.fork()).rejects.toThrow('limit: threads is limited to 2');
    await session.close();
    await until(() => running.err.includes('session ends'));
    const lines = running.err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual(['listening', 'session', 'session ends']);
    expect(lines[1]).toMatchObject({ level: 'info', dialect: 'M5', client: 'a "test"\n' });
  });

  it.each([
    [['--dialect', 'M99'], /no dialect 'M99'[\s\S]*M5/],
    [['--limit', 'nonsense=3'], /not name=number[\s\S]*frameBytes=/],
    [['--ram', '3K'], /8M to 3582M/],
    [['--socket', '/no/such/folder/x'], /the folder \/no\/such\/folder does not exist/],
  ])('refuses %j', async (args, message) => {
    const running = start('serve', ...args);
    expect(await running.ended).toBe(2);
    expect(running.err).toMatch(message);
  });
});

describe('dmirror trace', () => {
  it('shows calls and ioctls by name in the dialect of the caller, filtered', async () => {
    const { path } = await serving('--dialect', 'B-onfault');
    const all = start('trace', '--socket', path, '--json');
    const few = start('trace', '--socket', path, '--kind', 'ioctl', '--device', '0', '--pid', '2');
    await until(() => all.err.includes('tracing') && few.err.includes('tracing'));
    const session = await connect({ socket: path });
    for (let i = 0; i < 2; i++) {
      const process = await ProcessHandle.create(session);
      const memory = await process.map(4096);
      await memory.writeWord(0, 1);
      const device = await Dmirror.open(process, 0);
      await device.migrateOnFaultToDev(memory.addr, 1);
      await memory.readWord(0);
    }
    await until(() => few.out.includes('done') || few.out.includes('= 0'));
    all.child.kill('SIGINT');
    few.child.kill('SIGINT');
    expect([await all.ended, await few.ended]).toEqual([130, 130]);
    const events = all.out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const kinds = new Set(events.map(({ kind }) => kind));
    for (const kind of ['syscall', 'ioctl', 'fault', 'notifier', 'migrate']) expect(kinds).toContain(kind);
    for (const stage of ['collect', 'unmap', 'setup', 'copy', 'pages', 'finalize']) {
      const { pages, npages, text } = events.find((event) => event.stage === stage);
      expect([stage, pages, npages]).toEqual([stage, 1, 1]);
      expect(text).toMatch(new RegExp(`^${stage} 0x[0-9a-f]+-0x[0-9a-f]+, 1 of 1 page$`));
    }
    expect(all.out).toContain('HMM_DMIRROR_MIGRATE_ON_FAULT_TO_DEV [B-onfault]');
    const lines = few.out.trim().split('\n');
    expect(lines.length).toBeGreaterThanOrEqual(2);
    for (const line of lines) expect(line).toMatch(/^ *\d+ 2\/2 +ioctl +MIGRATE_ON_FAULT_TO_DEV/);
  });

  it('says how to start a daemon when there is none', async () => {
    const running = start('trace', '--socket', join(tempFolder(), 'none'));
    expect(await running.ended).toBe(2);
    expect(running.err).toMatch(/no connection to [\s\S]*dmirror serve/);
  });
});

describe('dmirror completion', () => {
  const printed = new Map<string, ReturnType<typeof printedFor>>();
  const printedFor = (shell: string) => spawnSync(process.execPath, [BIN, 'completion', shell], { encoding: 'utf8' });
  const script = (shell: string) => {
    const known = printed.get(shell) ?? printedFor(shell);
    printed.set(shell, known);
    return known;
  };

  for (const shell of ['bash', 'zsh', 'fish']) {
    it(`for ${shell} names every command, its options and their values`, () => {
      const { stdout, status } = script(shell);
      expect(status).toBe(0);
      for (const word of ['serve', 'selftest', 'log-format', 'classic', 'sweep', 'matrix'])
        expect(stdout).toContain(word);
    });

    it(`for ${shell} is a script that this shell, where it is installed, takes`, needs(shell), () => {
      expect(spawnSync(shell, ['-n', '-c', script(shell).stdout], { encoding: 'utf8' }).stderr).toBe('');
    });
  }

  /** What can stand at the end of a line, in the order of the words. */
  const completers: Record<string, (words: readonly string[]) => string[]> = {
    bash: (words) => {
      const line = `COMP_WORDS=(dmirror ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _dmirror; printf '%s\n' "\${COMPREPLY[@]}"`;
      return answers('bash', `${script('bash').stdout}\n${line}`);
    },
    fish: (words) => answers('fish', `${script('fish').stdout}\ncomplete -C 'dmirror ${words.join(' ')}'`),
  };

  function answers(shell: string, text: string): string[] {
    const lines = spawnSync(shell, ['-c', text], { encoding: 'utf8' }).stdout.trim().split('\n');
    return lines.map((line) => line.replace(/\t.*/, '')).sort();
  }

  describe.each(Object.keys(completers))('in %s, where it is installed,', (shell) => {
    const complete = (...words: string[]) => completers[shell]!(words);

    it('knows commands, options and values at every depth', needs(shell), () => {
      expect(complete('se')).toEqual(['selftest', 'series', 'serve']);
      expect(complete('serve', '--st')).toEqual(['--strict']);
      expect(complete('serve', '--path', 'u')).toEqual(['unified']);
      expect(complete('fault', 'sw')).toEqual(['sweep']);
      expect(complete('fault', 'sweep', '--pai')).toEqual(['--pairs']);
      expect(complete('fault', 'sweep', '--path', 'c')).toEqual(['classic']);
      expect(complete('abi', 'ma')).toEqual(['matrix']);
      expect(complete('completion', 'z')).toEqual(['zsh']);
    });
  });

  it('refuses another shell', () => {
    const { stderr, status } = script('tcsh');
    expect(status).toBe(2);
    expect(stderr).toMatch(/'tcsh' is invalid[\s\S]*bash, zsh, fish/);
  });
});

describe('dmirror doctor', () => {
  it('says what is there, and that nothing needed is broken', () => {
    const { stdout, status } = spawnSync(process.execPath, [BIN, 'doctor'], { encoding: 'utf8' });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ok +node +Node v/);
    expect(stdout).toMatch(/ok +packages +no native addon is loaded/);
    expect(stdout).toMatch(/ok +socket +a daemon served a session/);
  });
});

describe('the command', () => {
  it('starts at most three times slower than node does', () => {
    const ms = (args: string[]) => {
      const start = performance.now();
      spawnSync(process.execPath, args);
      return performance.now() - start;
    };
    const ratios = Array.from({ length: 7 }, () => ms([BIN, '--help']) / ms(['-e', '0'])).sort((a, b) => a - b);
    expect(ratios[3]).toBeLessThanOrEqual(3);
  });
});

it('a live server that is not ours is not removed', async () => {
  const path = join(tempFolder(), 'socket');
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const running = start('serve', '--socket', path);
  expect(await running.ended).toBe(2);
  server.close();
});
