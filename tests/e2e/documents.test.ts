// The package, installed elsewhere, works; and there every block of code in README and docs is run, or is marked as an excerpt with the reason.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { isFull, isLong, some } from '../counts.js';
import { headerOf } from '../unit/tools/abi/headers.js';
import { loadAbiHistory } from '../unit/uapi/abi-history.js';
import { installed, ROOT } from './installed.js';

interface Block {
  readonly at: string;
  readonly language: string;
  /** Why it is not run. */
  readonly excerpt: string | undefined;
  readonly text: string;
  /** What stands before it in the same document. */
  readonly before: string;
}

const DOCUMENTS = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];
const BLOCKS = DOCUMENTS.flatMap(blocksOf);

function blocksOf(document: string): Block[] {
  const source = readFileSync(join(ROOT, document), 'utf8');
  return [...source.matchAll(/^```(.*)\n([\s\S]*?)^```$/gm)].map(({ 1: info = '', 2: text = '', index }) => {
    const before = source.slice(0, index);
    const [, language = '', excerpt] = /^(\w*)(?: excerpt: (.+))?$/.exec(info) ?? [];
    return { at: `${document}:${before.split('\n').length}`, language, excerpt, text, before };
  });
}

/** Any native addon ends the process. */
const NO_ADDONS = "process.dlopen = (_, file) => { console.error('native addon', file); process.exit(9); };";

/** Needs no types but the package's own, as `BARE`. */
const LIBRARY = `
import { connect, Dmirror, inProcess, Machine, Process, type Transport } from 'dmirror';
declare const console: { log(...shown: unknown[]): void };
const transport: Transport = inProcess({ ramBytes: 64 * 2 ** 20 });
const process_ = await Process.create(transport);
const memory = await process_.map(4096);
await memory.writeWord(0, 7);
const device = await Dmirror.open(process_, 0);
const { ret, cpages }: { ret: number; cpages: number } = await device.migrateToDev(memory.addr, 1);
const snapshot = await device.snapshot(memory.addr, 1);
console.log(ret, cpages, snapshot.data[0], await memory.readWord(0), typeof connect, typeof Machine);
await transport.close();
`;

const BARE = `
import { connect, inProcess, type Memory, Process } from 'dmirror';
import { definePlan, runPlan } from 'dmirror/fault';
const process = await Process.create(await connect({ socket: 'none', pollUs: 0 }));
export const memory: Memory = await (await Process.create(inProcess())).map(4096);
export const pid: number = process.pid;
const result = await runPlan(definePlan({ name: 'none', steps: [] }), { path: 'unified' });
export const violations: readonly { kind: string }[] = result.violations;
`;

let folder: string;

beforeAll(() => {
  folder = installed();
  const generation = (id: string) => headerOf(loadAbiHistory().generations.find((one) => one.id === id)!);
  writeFileSync(join(folder, 'series.mbox'), seriesMail(generation('M5'), generation('B-onfault')));
  const plan = BLOCKS.find(({ at, language }) => at.startsWith('docs/fault-injection.md') && language === 'yaml')!;
  writeFileSync(join(folder, 'plan.yaml'), plan.text);
});
const apart: string[] = [];
afterAll(() => {
  for (const made of [folder, ...apart]) rmSync(made, { recursive: true, force: true });
});

/** As a shell of the project's user does it. */
function shell(script: string, { cwd = folder, env = {} } = {}) {
  const PATH = `${join(folder, 'node_modules/.bin')}:${process.env.PATH}`;
  return spawnSync('bash', ['-ec', script], { cwd, encoding: 'utf8', env: { ...process.env, PATH, ...env } });
}

/** A patch of the test device's header, as a list has it. */
function seriesMail(before: string, after: string): string {
  const made = mkdtemp();
  for (const [side, text] of Object.entries({ a: before, b: after })) {
    mkdirSync(join(made, side, 'lib'), { recursive: true });
    writeFileSync(join(made, side, 'lib/test_hmm_uapi.h'), text);
  }
  const { stdout } = spawnSync('git', ['diff', '--no-index', '--no-prefix', 'a', 'b'], { cwd: made, encoding: 'utf8' });
  return `From a@b Mon Sep 17 00:00:00 2001\nFrom: A <a@b.c>\nSubject: [PATCH] lib/test_hmm: x\n\n${stdout}`;
}

/** A folder of its own: npm looks for a project in what is above. */
function mkdtemp(): string {
  apart.push(mkdtempSync(join(tmpdir(), 'dmirror-documents-')));
  return apart.at(-1)!;
}

const RUN: Readonly<Record<string, (block: Block) => void>> = {
  '': ({ text, before }) => {
    if (text.startsWith('$ ')) return expectSession(text);
    // The output of the program above it.
    const [, program] = /^```ts\n([\s\S]*?)^```\n+$/m.exec(before.slice(before.lastIndexOf('```ts')))!;
    expect(runProgram(program!)).toBe(text);
  },
  sh: ({ text }) => {
    for (const line of text.trim().split('\n')) {
      const { status, stdout, stderr } = shell(line);
      expect([line, stderr, stdout !== '']).toEqual([line, expect.not.stringContaining('error'), true]);
      // Some find what they are there to find.
      expect([line, status]).toEqual([line, line.includes('abi check') ? 1 : 0]);
    }
  },
  ts: ({ text }) => void runProgram(text),
  json: ({ text }) => {
    writeFileSync(join(folder, 'known.json'), text);
    const { status, stdout } = shell('dmirror abi check B-timeout M7 --suppress known.json');
    expect([status, stdout]).toEqual([0, expect.stringContaining('1 suppressed')]);
  },
  yaml: ({ text }) => {
    const document = parse(text);
    // A plan is what `fault run plan.yaml` runs.
    if (document.steps !== undefined) return;
    const tree = gitTree();
    const base = shell('git rev-parse HEAD~1', { cwd: tree }).stdout.trim();
    const env = { GITHUB_BASE_REF: 'main', CI_MERGE_REQUEST_DIFF_BASE_SHA: base };
    for (const line of shellLines(document)) {
      const { status, stderr } = shell(line, { cwd: tree, env });
      const isOffline = /^npm install/.test(line) && /code (ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT)/.test(stderr);
      if (isOffline) console.log(`not tried, as no registry answers: ${line}`);
      else expect([line, status, stderr]).toEqual([line, 0, expect.not.stringMatching(/^(npm (error|warn)|error)/m)]);
      if (isOffline) symlinkSync(join(folder, 'node_modules'), join(tree, 'node_modules'));
    }
    const results = ['selftest.xml', ...(text.includes('abi.sarif') ? ['abi.sarif'] : [])];
    for (const file of results) expect(readFileSync(join(tree, file), 'utf8')).toMatch(/(<\/testsuites>|\})\s*$/);
  },
};

/** What a build ends with. */
const builtMs = (): number => statSync(join(ROOT, 'dist/view/page.js')).mtimeMs;

/** Commands after `$ `, and what they print; how long it took is never the same. Nothing is built anew while others test what is built. */
function expectSession(text: string): void {
  const before = builtMs();
  const timeless = (output: string) => output.replace(/in [\d.]+ s$/gm, 'in S');
  const [head, ...rest] = text.split(/(?<=\n)(?=[^$])/);
  const commands = head!.replace(/^\$ /gm, '').replace('npm ci --silent\n', '');
  // As where npx has not been used before, which prepares the checkout.
  const env = { npm_config_cache: join(folder, 'npm-cache') };
  const { stdout } = shell(`${commands.trim()} 2>&1`, { cwd: ROOT, env });
  expect(timeless(stdout)).toBe(timeless(rest.join('')));
  expect(builtMs()).toBe(before);
}

/** Compiles and runs it; what it prints. */
function runProgram(text: string): string {
  writeFileSync(join(folder, 'program.ts'), text);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const { stdout } = shell(
    `node ${tsc} --target es2023 --module nodenext --strict --skipLibCheck --types node program.ts`,
  );
  expect(stdout).toBe('');
  const ran = spawnSync(process.execPath, ['program.js'], { cwd: folder, encoding: 'utf8' });
  expect([ran.status, ran.stderr]).toEqual([0, '']);
  return ran.stdout;
}

/** Of a job of GitHub's or GitLab's, in their order. */
function shellLines(document: { jobs?: { dmirror: { steps: { run?: string }[] } }; dmirror?: { script: string[] } }) {
  return document.dmirror?.script ?? document.jobs!.dmirror.steps.flatMap(({ run }) => run ?? []);
}

/** A repository with a header that a branch changes, and the tarball; the installation puts what is installed here in its place. */
function gitTree(): string {
  const tree = mkdtemp();
  const header = join(tree, 'include/uapi/linux/mine.h');
  mkdirSync(dirname(header), { recursive: true });
  const commit = 'git add -A && git -c user.name=t -c user.email=t@t commit -qm x';
  writeFileSync(header, "#define A _IO('x', 1)\n");
  shell(`git init -qb main && ${commit} && git update-ref refs/remotes/origin/main HEAD`, { cwd: tree });
  writeFileSync(header, "#define A _IO('x', 1)\n#define B _IO('x', 2)\n");
  shell(commit, { cwd: tree });
  mkdirSync(join(tree, 'ci'));
  const [tarball] = readdirSync(folder).filter((file) => file.endsWith('.tgz'));
  cpSync(join(folder, tarball!), join(tree, 'ci', tarball!));
  return tree;
}

/** Each installs the package and runs what a job of a service runs; that of the first is enough for CI, none for `npm test`. */
const JOBS = BLOCKS.filter(({ language, text }) => language === 'yaml' && /^(jobs|dmirror):/m.test(text));

const TRIED = some(
  BLOCKS.filter((block) => block.excerpt === undefined && (isLong || !JOBS.slice(isFull ? 1 : 0).includes(block))),
  6,
);

describe.each(DOCUMENTS)('%s', (document) => {
  const blocks = TRIED.filter(({ at }) => at.startsWith(`${document}:`));
  it.runIf(blocks.length > 0).each(blocks)('$at', (block) => {
    expect(Object.keys(RUN)).toContain(block.language);
    RUN[block.language]!(block);
  });

  it('has no code that is only indented, and names what the package has', () => {
    const text = readFileSync(join(ROOT, document), 'utf8');
    expect(text.replace(/^```.*\n[\s\S]*?^```$/gm, '')).not.toMatch(/^\n {4}\S/m);
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => join(dirname(document), link!));
    expect(links.filter((link) => !existsSync(join(folder, 'node_modules/dmirror', link)))).toEqual([]);
  });
});

/** What is wrong with the programs and the package. To check what that imports would take longer than all else. */
function wrongTypes(files: readonly string[]): string[] {
  const { ES2023: target } = ts.ScriptTarget;
  const program = ts.createProgram(files, { target, module: ts.ModuleKind.NodeNext, strict: true, types: [] });
  const own = program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(folder));
  expect(own.length).toBeGreaterThan(100);
  const wrong = own.flatMap((file) => [
    ...program.getSyntacticDiagnostics(file),
    ...program.getSemanticDiagnostics(file),
  ]);
  return wrong.map(({ file, messageText }) => `${file?.fileName} ${ts.flattenDiagnosticMessageText(messageText, ' ')}`);
}

describe('the package, unpacked elsewhere', () => {
  const node = (...args: string[]) => {
    writeFileSync(join(folder, 'no-addons.cjs'), NO_ADDONS);
    return spawnSync(process.execPath, ['--require', './no-addons.cjs', ...args], { cwd: folder, encoding: 'utf8' });
  };

  it('runs the selftests, without a native addon', () => {
    const bin = join('node_modules', 'dmirror', 'bin', 'dmirror.js');
    const { status, stderr, stdout } = node(bin, 'selftest', '-t', 'hmm.*.anon_read', '--daemon');
    expect(stderr).toMatch(/^4 passed, 0 failed/);
    expect(stdout).toMatch(/^KTAP version 1\n/);
    expect(status).toBe(0);
  });

  it('is imported with its types, where nothing else has any', () => {
    for (const [name, text] of Object.entries({ bare: BARE, library: LIBRARY }))
      writeFileSync(join(folder, `${name}.ts`), text);
    expect(wrongTypes(['bare', 'library'].map((name) => join(folder, `${name}.ts`)))).toEqual([]);
    writeFileSync(join(folder, 'library.js'), ts.transpile(LIBRARY, { module: ts.ModuleKind.ESNext }));
    const { status, stdout, stderr } = node('library.js');
    expect([status, stdout, stderr]).toEqual([0, '0 1 34 7 function function\n', '']);
  });
});
