import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { some } from '../counts.js';
import { leaves, parseKtap } from '../unit/tools/ktap-parser.js';

const BIN = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/dmirror.js');
const ONE = 'hmm.hmm_device_private.anon_read';

/** Runs the built command as a user does. `npm test` builds it first. */
function dmirror(...args: string[]) {
  const { status, stdout, stderr, error } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' });
  if (error) throw error;
  return { status, stdout, stderr };
}

describe('dmirror selftest --list', () => {
  it('names every case once, one a line', () => {
    const { status, stdout } = dmirror('selftest', '-l');
    const names = stdout.trim().split('\n');
    expect(status).toBe(0);
    expect(names).toContain(ONE);
    // The 29 cases of Linux 6.12 and migrate_on_fault, on both kinds of device.
    for (const kind of ['private', 'coherent']) {
      expect(names.filter((name) => name.match(/^hmm2?\.hmm2?_device_(\w+)\./)?.[1] === kind)).toHaveLength(30);
    }
    expect(new Set(names).size).toBe(names.length);
  });

  it('obeys -t and --json', () => {
    expect(dmirror('selftest', '--list', '-t', ONE).stdout).toBe(`${ONE}\n`);
    expect(dmirror('selftest', '--list', '--json', '-t', ONE).stdout).toBe(`{"name":"${ONE}","suite":"hmm"}\n`);
  });
});

it('explores cases in workers as it does in one thread', () => {
  const said = (jobs: string) => {
    const how = ['--path', 'classic', '--strategy', 'random', '--budget', '2', '--json', '--jobs', jobs];
    const { status, stdout } = dmirror('selftest', '--explore', ONE, ...how);
    expect(status).toBe(0);
    return stdout.replaceAll(/"ms":[\d.]+/g, '');
  };
  expect(said('2')).toBe(said('1'));
});

describe('dmirror selftest', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'dmirror-e2e-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('runs what a glob matches on both paths and prints strict KTAP, with no control character', () => {
    const { status, stdout, stderr } = dmirror('selftest', '-t', 'hmm.*.anon_read');
    expect(leaves(parseKtap(stdout)).map(({ path, node }) => [node.ok, path])).toEqual([
      [true, 'classic > hmm > hmm.hmm_device_private.anon_read'],
      [true, 'classic > hmm > hmm.hmm_device_coherent.anon_read'],
      [true, 'unified > hmm > hmm.hmm_device_private.anon_read'],
      [true, 'unified > hmm > hmm.hmm_device_coherent.anon_read'],
    ]);
    expect(stderr).toMatch(/^4 passed, 0 failed, 0 skipped in [\d.]+ s\n$/);
    expect(stdout + stderr).not.toContain('\x1b');
    expect(status).toBe(0);
  });

  it('runs one path with a seed, as the rerun line of a failure says', () => {
    const { status, stdout } = dmirror('selftest', '-t', ONE, '--path', 'unified', '--seed', '0x10');
    expect(leaves(parseKtap(stdout)).map(({ path }) => path)).toEqual([`unified > hmm > ${ONE}`]);
    expect(stdout).toContain('# seed: 16\n');
    expect(status).toBe(0);
  });

  it('prints the same text for the same seed', () => {
    const run = () => dmirror('selftest', '-t', ONE, '--seed', '5').stdout;
    expect(run()).toBe(run());
  });

  it('writes JSON lines and a JUnit file', () => {
    const file = join(folder, 'results.xml');
    const { status, stdout } = dmirror('selftest', '-t', ONE, '--path', 'classic', '--json', '--junit', file);
    const records = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(records.map(({ type }) => type)).toEqual(['start', 'case', 'end']);
    expect(records[1]).toMatchObject({ schemaVersion: 1, name: ONE, path: 'classic', status: 'pass' });
    expect(readFileSync(file, 'utf8')).toContain('<testsuite name="classic.hmm" tests="1" failures="0"');
    expect(status).toBe(0);
  });
});

describe('wrong usage', () => {
  const WRONG: readonly (readonly [args: readonly string[], message: RegExp])[] = [
    [['selftest', '-t', 'anon_read'], /no case matches 'anon_read'.*\n-t '\*anon_read\*' matches \d+; .*--list/],
    [['selftest', '-t', 'no_such_case'], /no case matches 'no_such_case'.*\nsee the names with .*--list/],
    [['selftest', '-t', 'hmm.*', '-t', 'nothing'], /no case matches 'nothing'/],
    [['selftest', '--sed', '1'], /unknown option '--sed'[\s\S]*--seed[\s\S]*dmirror selftest --help/],
    [['selftest', '--seed', 'x'], /'x' is invalid.*whole number/],
    [['selftest', '--seed', '4294967296'], /whole number/],
    [['selftest', '--path', 'both'], /'both' is invalid.*classic, unified/],
    [['selftest', 'extra'], /too many arguments/],
    [['selftets'], /unknown command 'selftets'[\s\S]*selftest/],
    [['bench', '-t', 'nothing'], /no measurement matches 'nothing'.*\n.*--list/],
  ];

  it.each(some(WRONG, 3))('%j', (args, message) => {
    const { status, stdout, stderr } = dmirror(...args);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
    expect(status).toBe(2);
  });
});

describe('dmirror', () => {
  it('prints help and the package version with status 0', () => {
    const help = dmirror('--help');
    expect([help.status, help.stdout.includes('selftest')]).toEqual([0, true]);
    const { version } = JSON.parse(readFileSync(resolve(dirname(BIN), '../package.json'), 'utf8'));
    expect(dmirror('--version')).toMatchObject({ status: 0, stdout: `${version}\n` });
  });

  it('lists its measurements', () => {
    expect(dmirror('bench', '--list').stdout).toMatch(/^migrate-4m .*\nmigrate-1g /);
  });
});
