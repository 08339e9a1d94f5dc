import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { some } from '../counts.js';
import { ROOT } from './installed.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-path-'));
afterAll(() => rmSync(folder, { recursive: true }));
const FILE = join(folder, 'v2.yaml');
writeFileSync(FILE, 'base: posted-v1\nname: v2\nproperties:\n  mirrorsStructPages: false\n  ignoresOwnClears: false\n');
const NAME = 'posted-v1+ignoresOwnClears=false+mirrorsStructPages=false';

const TWICE =
  'open 0 0; map 0 0 0 1 anon rw; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 1; dm 0 0 MIGRATE_ON_FAULT_TO_DEV 0 0 1';

// The first posting shows an oops, a stale mirror or a deadlock at each; with what the file changes two of them pass.
const COMMANDS: readonly (readonly [args: readonly string[], status: number, said: string])[] = [
  [['series', 'run', TWICE], 1, 'posted-v1: machine: KernelOops'],
  [['series', 'run', TWICE, '--path-file', FILE], 0, `4 ops on ${NAME}: nothing is wrong`],
  [['selftest', '-t', 'migrate_on_fault.rows.own_private', '--path-file', FILE], 0, `# Subtest: ${NAME}`],
  [['conform', '--seq', 'small-13', '--path-file', FILE], 0, `0 divergences (path ${NAME})`],
  [['explore', 'mig-unmap', '--path-file', FILE], 0, `:${NAME}::`],
  [
    ['fault', 'sweep', 'migrate_on_fault.rows.swap', '--first', '--pages', '8', '--path-file', FILE],
    1,
    `dm2:run:migrate_on_fault.rows.swap:${NAME}`,
  ],
];

it.each(some(COMMANDS, 3))('dmirror %j ends with %i and says %s', (args, status, said) => {
  const path = args.includes('--path-file') ? [] : ['--path', 'posted-v1'];
  const run = spawnSync(process.execPath, [join(ROOT, 'bin/dmirror.js'), ...args, ...path], { encoding: 'utf8' });
  expect(`${run.stdout}${run.stderr}`).toContain(said);
  expect(run.status).toBe(status);
});
