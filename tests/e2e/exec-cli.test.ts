import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { SIGINT, SIGSEGV, SIGTERM } from '../../uapi/signal.js';
import { COMPILER, GuestBuild } from '../guest/compile.js';
import { needs } from '../needs.js';

function dmirror(args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/dmirror.js', ...args], {
    input,
    encoding: 'utf8',
    env: { ...process.env, GUEST: 'yes' },
  });
  return { status, stdout, stderr };
}

/** The command with open streams. */
function start(args: readonly string[]) {
  const child = spawn(process.execPath, ['bin/dmirror.js', ...args]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const ended = new Promise<{ status: number | null; stdout: string; stderr: string }>((resolve) => {
    child.on('close', (status) => resolve({ status, stdout, stderr }));
  });
  const says = async (text: RegExp): Promise<void> => {
    while (!text.test(stderr)) await new Promise((done) => setTimeout(done, 20));
  };
  return { child, ended, says };
}

describe('dmirror exec', () => {
  it('lists the system calls that programs find', () => {
    const { status, stdout } = dmirror(['exec', '--syscalls']);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^ *222 {2}mmap +\S/m);
  });

  it('says why a file is no program', () => {
    const { status, stderr } = dmirror(['exec', 'package.json']);
    expect(status).toBe(2);
    expect(stderr).toContain("'package.json' can't run: it is not an ELF file");
    expect(dmirror(['exec', '/no/such/file']).stderr).toContain('it does not exist');
  });
});

describe('dmirror exec of a program', needs(COMPILER), () => {
  const build = new GuestBuild();
  afterAll(() => build.remove());

  it("gives it its arguments, and has the program's streams and status", () => {
    const { status, stdout } = dmirror(['exec', build.compile('hello'), '--strace', 'two']);
    expect(status).toBe(7);
    expect(stdout).toBe('argv[1] = --strace\nargv[2] = two\nGUEST = yes\nhello\natexit\n');
  });

  it('traces its system calls on stderr', () => {
    const { stderr } = dmirror(['exec', '--strace', build.compile('hello')]);
    expect(stderr).toMatch(/^1 exit_group\(7\) = 0$/m);
  });

  it('gives up after the timeout and says what it was doing', () => {
    const { status, stderr } = dmirror(['exec', '--timeout', '0.5', build.compile('reports/endless')]);
    expect(status).toBe(124);
    expect(stderr).toMatch(/computes at main\+0x/);
  });

  it('looks for a schedule that fails, and runs it again', () => {
    const racy = build.compile('reports/lost-update');
    expect(dmirror(['exec', racy]).stdout).toBe('80\n');
    const found = dmirror(['exec', '--schedules', '600', racy]);
    expect(found.status).toBe(1);
    const [, again] = /^ +dmirror (explore replay '?dm2:guest:\S+ .*)$/m.exec(found.stderr)!;
    for (let i = 0; i < 2; i++) expect(dmirror(again!.split(' '))).toMatchObject({ status: 1, stdout: found.stdout });
    expect(found.stdout).toMatch(/^\d+\n$/);
  });

  it('says what so many schedules mean that end well', () => {
    const { status, stderr, stdout } = dmirror(['exec', '--schedules', '3', build.compile('reports/echo')]);
    expect({ status, stdout }).toEqual({ status: 0, stdout: '' });
    expect(stderr).toMatch(
      /3 schedules end with 0 \(\d+ tasks?, \d+ steps of the kernel; each shows a bug of depth 3 in their order with a chance of at least \S+, and nothing .* own steps\)/,
    );
  });

  it('waits for input, whenever it comes, and reads it to its end', async () => {
    const echo = build.compile('reports/echo');
    expect(dmirror(['exec', echo], 'one\ntwo\n').stdout).toBe('one\ntwo\n8 bytes\n');
    expect(dmirror(['exec', echo]).stdout).toBe('0 bytes\n');
    const late = start(['exec', '--timeout', '60', echo]);
    await new Promise((done) => setTimeout(done, 1500));
    late.child.stdin.end('late\n');
    expect(await late.ended).toMatchObject({ status: 0, stdout: 'late\n5 bytes\n' });
  });

  it.each([
    ['computes', 'reports/endless'],
    ['waits for input', 'reports/echo'],
  ])('ends with a program that %s when it is interrupted', async (_what, name) => {
    const run = start(['exec', '--strace', build.compile(name)]);
    await run.says(/brk\(NULL\)/);
    await new Promise((done) => setTimeout(done, 300));
    run.child.kill('SIGINT');
    expect((await run.ended).status).toBe(130);
  });

  it('ends with the second signal whatever the program makes of it, and has its trace', async () => {
    const program = build.compile('reports/stubborn');
    const trace = `${program}.json`;
    const run = start(['exec', '--trace', trace, program]);
    await run.says(/ready/);
    run.child.kill('SIGINT');
    run.child.kill('SIGTERM');
    await run.says(/ended by a second signal/);
    const { status, stderr } = await run.ended;
    expect([128 + SIGINT, 128 + SIGTERM]).toContain(status);
    expect(stderr).toMatch(/ended by a second signal, SIG(INT|TERM)\n[\s\S]*computes at main\+0x/);
    expect(readFileSync(trace, 'utf8')).toMatch(/"syscall".*write/);
  });

  it('says why a program can not be loaded', () => {
    const program = build.compile('hello', ['-static'], 'vast');
    writeFileSync(program, asksFor(readFileSync(program), 2n ** 46n));
    const { status, stderr } = dmirror(['exec', program]);
    expect(status).toBe(128 + SIGSEGV);
    expect(stderr).toMatch(
      /vast can't be loaded: execve\(2\) fails with ENOMEM .*ask for 703\d+ bytes.*--ram gives more/,
    );
  });

  it('gives up a wait for input after the timeout', async () => {
    const run = start(['exec', '--timeout', '0.5', build.compile('reports/echo')]);
    const { status, stderr } = await run.ended;
    expect(status).toBe(124);
    expect(stderr).toMatch(/is in read at .*waits for standard input/);
  });

  it('reports a hang', () => {
    const { status, stderr } = dmirror(['exec', build.compile('reports/deadlock')]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/the program hangs[\s\S]*is in futex at \w+\+0x[\da-f]+, waits for futex 0x/);
  });
});

/** The same program with `bytes` of memory in its last segment. */
function asksFor(elf: Buffer, bytes: bigint): Buffer {
  const phoff = Number(elf.readBigUInt64LE(32));
  const headers = Array.from({ length: elf.readUInt16LE(56) }, (_, i) => phoff + 56 * i);
  const last = headers.filter((at) => elf.readUInt32LE(at) === 1).at(-1)!;
  elf.writeBigUInt64LE(bytes, last + 40);
  return elf;
}
