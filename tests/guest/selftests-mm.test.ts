import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { isFull, isLong } from '../counts.js';
import { isInstalled, needs } from '../needs.js';
import { COMPILER, GuestBuild } from './compile.js';

/** Of Debian's linux-source-6.12. */
const SOURCE = '/usr/src/linux-source-6.12.tar.xz';
const NEEDED = [
  'Makefile',
  'arch/riscv',
  'arch/x86/entry',
  'include',
  'mm/gup_test.h',
  'scripts',
  'tools/include',
].concat('lib/test_hmm_uapi.h', 'tools/testing/selftests');
/** What CI runs; `check:long` runs all. */
const PART = [
  'map_fixed_noreplace',
  'mremap_dontunmap',
  'madv_populate',
  'soft-dirty',
  'mkdirty',
  'gup_longterm',
  'pagemap_ioctl',
  'khugepaged',
  'transhuge-stress',
];
const SUITE = 'tests/guest/selftests-mm/suite.yaml';
const DOCUMENT = 'docs/selftests-mm.md';
const folder = mkdtempSync(join(tmpdir(), 'dmirror-mm-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function suite(programs: string, ...more: string[]): { status: number | null; stdout: string; stderr: string } {
  const args = ['bin/dmirror.js', 'exec', '--dialect', '6.12', '--suite', programs, ...more];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  // How far it is and what memory it has taken depend on the host.
  return { status, stdout, stderr: stderr.replace(/^(\d+ of \d+ done|memory: ).*\n/gm, '') };
}

const THERE = existsSync(SOURCE) && isInstalled(COMPILER);
/** To unpack the source takes longer than to run the first of them. */
const NEEDS_SOURCE = isFull ? needs('linux-source-6.12', THERE) : needs('time, which CI has', false);

describe("Linux's selftests of memory", NEEDS_SOURCE, () => {
  it('come to what is expected of them, and the table of the document says so', () => {
    execFileSync('tar', ['-xJf', SOURCE, '-C', folder, ...NEEDED.map((path) => `linux-source-6.12/${path}`)]);
    const programs = join(folder, 'mm');
    const chosen = isLong ? [] : PART;
    const build = ['tests/guest/selftests-mm/build.sh', join(folder, 'linux-source-6.12'), programs, ...chosen];
    execFileSync('sh', build, { stdio: 'pipe' });
    const { status, stdout, stderr } = suite(
      programs,
      ...['--expect', SUITE, '--format', 'markdown'],
      ...chosen.flatMap((name) => ['--only', name]),
    );
    expect([stderr, status]).toEqual(['', 0]);
    // The table of the document is what the command prints, and of a part these rows.
    const document = readFileSync(DOCUMENT, 'utf8');
    const table = document.slice(document.indexOf('| program |'));
    if (isLong) expect(stdout).toBe(table);
    else expect(table.split('\n')).toEqual(expect.arrayContaining(stdout.trimEnd().split('\n')));
  });
});

describe('dmirror exec --suite', needs(COMPILER), () => {
  const build = new GuestBuild();
  afterAll(() => build.remove());

  it('runs what a file lists and what else is in the folder, and names what it did not expect', () => {
    const programs = join(folder, 'own');
    mkdirSync(programs);
    // A link to a program is one too.
    symlinkSync(build.compile('reports/echo'), join(programs, 'echo'));
    execFileSync('cp', [build.compile('hello'), join(programs, 'hello')]);
    writeFileSync(join(programs, 'notes.txt'), 'no program\n');
    const list = join(folder, 'list.yaml');
    writeFileSync(
      list,
      '- { program: hello, needs: { ram: 64M }, expect: { status: 3 } }\n- { program: gone, expect: {} }\n- { program: slow, out: too slow }\n',
    );
    const junit = join(folder, 'junit.xml');
    const { status, stdout, stderr } = suite(programs, '--expect', list, '--junit', junit);
    expect(stdout.split('\n').filter((line) => !line.startsWith('#'))).toEqual([
      'KTAP version 1',
      '1..4',
      'not ok 1 hello',
      'not ok 2 gone',
      'ok 3 slow # SKIP too slow',
      'ok 4 echo',
      '',
    ]);
    expect(stdout).toContain('# status is 7, not 3 (status 7, pass/fail/skip 0/0/0)');
    expect([stderr, status]).toEqual(['dmirror exec: unexpected: hello, gone\n', 1]);
    expect(existsSync(junit)).toBe(true);
  });

  it('says where a list is wrong', () => {
    const list = join(folder, 'wrong.yaml');
    writeFileSync(list, '- program: hello\n  needs: { ram: 1G }\n  expect:\n    pass: many\n');
    const { status, stderr } = suite(folder, '--expect', list);
    expect(status).toBe(2);
    expect(stderr).toContain(`${list}:4:11: 0.expect.pass: `);
  });
});
