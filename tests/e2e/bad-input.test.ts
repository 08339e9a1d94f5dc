import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it } from 'vitest';
import { some } from '../counts.js';

const BIN = resolve(dirname(fileURLToPath(import.meta.url)), '../../bin/dmirror.js');
const folder = mkdtempSync(join(tmpdir(), 'dmirror-input-'));
afterAll(() => rmSync(folder, { recursive: true }));

const FILES = {
  'two.yaml': 'name: a\nsteps: []\n---\nname: b\n',
  'pages.yaml': 'name: a\nsteps: [{ do: map, name: b, pages: 99999999999 }]\n',
  'huge.yaml': 'name: a\nmachine: { ram_mib: 64, huge_pages: 32 }\nsteps: []\n',
  'list.yaml': '[1]\n',
  'tag.yaml': 'name: !!js/function x\nsteps: []\n',
  'v12.yaml': 'base: posted-late\nproperties:\n  undosOnError: true\n',
  'alias.yaml': 'what: [*x]\n',
  'deep.yaml': '['.repeat(20_000),
  'half.jsonl': '{"seq":',
  'races.jsonl': '{"name":"x"}\n',
  'none.sh': 'ls -l\n',
};
for (const [name, text] of Object.entries(FILES)) writeFileSync(join(folder, name), text);
mkdirSync(join(folder, 'empty'));

/** What is given, and the line that names it and its place, and the way out. */
const INPUTS: readonly [string, RegExp][] = [
  ['fault run two.yaml', /two.yaml:3:1: a second document begins/],
  ['fault run pages.yaml', /pages.yaml:2:36: a whole number from 0 to 65536/],
  ['fault run huge.yaml', /huge.yaml:2:10: hugePages is 32, and RAM has room for 31/],
  ['fault run list.yaml', /^error: list.yaml:1:1: keys and values are wanted here\ndocs/],
  ['fault run tag.yaml', /tag.yaml:1:7: Unresolved tag/],
  ['campaign run alias.yaml', /alias.yaml:1:8: no '&x' ends before/],
  ['explore deep.yaml', /deep.yaml:1:100: nested more than 100 deep\ndocs/],
  ['exec --suite empty --expect list.yaml', /list.yaml:1:2: 0: keys and values/],
  ['fault run empty', /empty can't be read: it is a folder\n/],
  ['fault run none.yaml', /none.yaml can't be read: it does not exist\n/],
  ['fault run slow-copi', /did you mean 'slow-copy'.*\ndocs/],
  ['fault run slow-copy --defect writelots', /did you mean 'writeLost'/],
  ['fault run --pages', /See `dmirror fault run --help`/],
  ['fault import none.sh', /none.sh: nothing in it is about fault injection\n/],
  ['fault sweep --pages 0', /--pages.*'0'.*from 1 to 1024/],
  ['fault sweep --pages 1000000', /--pages.*from 1 to 1024/],
  ['fault sweep --workers 9999', /--workers.*from 0 to 256.*\nSee `dmirror fault sweep --help`/],
  ['conform empty', /empty is a folder\n/],
  ['conform half.jsonl', /half.jsonl:1: not JSON/],
  ['conform /dev/null', /\/dev\/null: it is empty/],
  ['exec --hugepages 512 x', /--hugepages 512: 1024 MiB of RAM have room for 511 at most\n/],
  ['serve --hugepages 64 --ram 64M', /--hugepages 64: 64 MiB of RAM have room for 31 at most\n/],
  ['selftest --daemon --connect x', /--daemon and --connect exclude each other/],
  ['selftest -t hmm.*.anon_raed', /\nnearest: anon_read,.*dmirror selftest --list/],
  ...[
    'selftest',
    'conform',
    'explore',
    'fault sweep',
    'fault run x',
    'fault list',
    'exec x',
    'serve',
    'series run x',
  ].map((command): [string, RegExp] => [
    `${command.split(' x')[0]} --path-file v12.yaml${command.endsWith(' x') ? ' x' : ''}`,
    /^error: v12.yaml:3:3: 'undosOnError' is not known here \(did you mean 'undoesOnError'\?\)\n/,
  ]),
  ['selftest --path-file v12.yaml --path unified', /--path-file <file>' cannot be used with option '--path <path>'/],
  ['explore mig-unmap --path posted-late+undosOnError', /no property of a path 'undosOnError' .*'undoesOnError'/],
  ['explore mig-unmap --witness 0 --html x.html', /^error: --witness makes no --html\n/],
  ['explore mig-unmap --witness 0 --json', /^error: --witness makes no --json\n/],
  ['exec --only x half.jsonl', /^error: option '--only' is of --suite\n/],
  ['exec --max-memory 1G half.jsonl', /^error: option '--max-memory' is of --suite and --schedules\n/],
  ['exec --suite empty --strace', /option '--strace' cannot be used with option '--suite <folder>'/],
  ['exec --suite empty half.jsonl', /^error: --suite runs all programs of its folder\n--only/],
  [
    'worker --queue redis://:PW@127.0.0.1:1/x',
    /^error: --queue takes the address of a Redis\nredis:\/\/HOST:PORT, or rediss:\/\/USER:PASSWORD@HOST:PORT\/DB with TLS\n$/,
  ],
  [
    'worker --queue redis://u:50%@127.0.0.1',
    /^error: --queue has a '%' that stands for nothing\nin an address a '%' itself is %25\n/,
  ],
  ['fault shrink dm2:program:2:unified:30.1.Ow:b6egf-', /^error: the threads of this race are a program\n/],
  ['debug dm2:job:x --profile 7.3', /^error: --profile goes with no token/],
  ['conform races.jsonl missing.jsonl', /^error: missing.jsonl can't be read: it does not exist\n/],
  ['explain dm2:job:x', /^error: a job of a campaign is many runs\n/],
  ['explore mig-unmap --diff classic unified --junit x.xml', /^error: --diff makes no --junit\n/],
  ['explore mig-unmap --diff classic@7.3@6.12 unified', /^error: 'classic@7.3@6.12' has two profiles\n/],
  ['explore --diff classic unified mig-unmap --path unified', /^error: --diff names the paths itself\n/],
  ['explore --diff classic', /^error: --diff takes two sides\n/],
  ['explore --diff 6.12 classic mig-unmap --path unified', /^error: --diff names the paths itself\n/],
  ['abi history 0x12345', /no known numbering ever used 0x12345\n/],
  ['abi check M5 M6 --rename A=B', /neither OLD nor NEW has 'A'/],
  ['abi check M5 M6 --skip NO*', /--skip 'NO\*' names no macro/],
  ['abi check M5 M6 -I none.sh', /-I 'none.sh' is no folder/],
  ['selftest --path-file=', /--path-file <file>' argument '' is empty.\nSee `dmirror selftest --help`/],
  ['serve --socket=', /--socket <path>' argument '' is empty/],
  ['fault run slow-copy --junit=', /--junit <file>' argument '' is empty/],
  ['conform --trace-format json', /^error: --trace-format says how --trace FILE is written\nadd --trace FILE/],
  ['abi check M5 M6 --defect', /See `dmirror abi check --help`/],
];

it.each(some(INPUTS, 6))('%s', (args, said) => {
  const options = { cwd: folder, encoding: 'utf8' } as const;
  const { status, stdout, stderr } = spawnSync(process.execPath, [BIN, ...args.split(' ')], options);
  expect({ status, stdout }).toEqual({ status: 2, stdout: '' });
  expect(stderr).toMatch(said);
  expect(stderr.trim().split('\n').length).toBeLessThanOrEqual(3);
});

it('a checkout that is not built says how to build it', () => {
  mkdirSync(join(folder, 'bin'));
  copyFileSync(BIN, join(folder, 'bin/dmirror.js'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  const { status, stderr } = spawnSync(process.execPath, [join(folder, 'bin/dmirror.js')], { encoding: 'utf8' });
  expect([status, stderr]).toEqual([2, expect.stringMatching(/^error: dmirror is not built: .*\n.*`npm ci`.*\n$/)]);
});

it('a limit of time holds for work that is done at once', () => {
  const args = ['selftest', '-t', 'hmm.*.open_close', '--timeout', '0.001'];
  const { status, stdout } = spawnSync(process.execPath, [BIN, ...args], { encoding: 'utf8' });
  expect([status, stdout]).toEqual([1, expect.stringMatching(/failed: it took [\d.]+ s, more than 0.001 s/)]);
});
