import { spawnSync } from 'node:child_process';
import { afterAll, describe, expect, it } from 'vitest';
import { GuestBuild, hasCompiler } from '../guest/compile.js';

function dmirror(args: readonly string[], input = ''): { status: number | null; stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['bin/dmirror.js', ...args], {
    input,
    encoding: 'utf8',
    env: { ...process.env, GUEST: 'yes' },
  });
  return { status, stdout, stderr };
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
    expect(dmirror(['exec', '/no/such/file']).stderr).toContain('ENOENT');
  });
});

describe.skipIf(!hasCompiler)('dmirror exec of a program', () => {
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

  it('reports a hang', () => {
    const { status, stderr } = dmirror(['exec', build.compile('reports/deadlock')]);
    expect(status).toBe(125);
    expect(stderr).toMatch(/the program hangs[\s\S]*is in futex at \w+\+0x[\da-f]+, waits for futex 0x/);
  });
});
