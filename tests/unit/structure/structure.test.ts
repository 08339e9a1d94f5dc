import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isLong } from '../../counts.js';
import { needs } from '../../needs.js';
import { architectureSvg } from './architecture.js';
import { checkBanned } from './banned.js';
import { checkCycles } from './cycles.js';
import { checkDeadFiles } from './dead.js';
import { withFunctionList } from './function-list.js';
import { checkDroppedGenerators } from './generators.js';
import { checkKernelNames } from './kernel-names.js';
import { checkCitations } from './kernel-source.js';
import { checkLayers } from './layers.js';
import { checkNames } from './names.js';
import { checkFolders, checkMirror, MAX_FOLDER_FILES } from './places.js';
import { checkQuirks } from './quirks.js';
import { checkShape } from './shape.js';
import { checkSize, MAX_FILE_LINES, MAX_FUNCTION_LINES } from './size.js';
import { type Finding, format, loadTree, releaseLibrary, snippetTree, type Tree } from './tree.js';

/** What may sleep stands here; to know the types of all else takes long. */
function kernelCode(tree: Tree): Tree {
  return { files: tree.files.filter(({ path }) => path.startsWith('driver/')), checker: tree.checker };
}

let whole: Tree | undefined;
beforeAll(() => {
  whole = loadTree();
});
afterAll(() => {
  whole = undefined;
  releaseLibrary();
});

describe('the tree', () => {
  const checks: [string, (tree: Tree) => Finding[]][] = [
    ['imports only along the layers', checkLayers],
    ['names no clock, timer, promise or bigint in kernel code', checkBanned],
    ['drops no generator', (all) => checkDroppedGenerators(isLong ? all : kernelCode(all))],
    ['names functions as the kernel does', checkKernelNames],
    ['keeps files and functions short', checkSize],
    ['has no default export, enum or odd file name', checkShape],
    ['has no dead file', checkDeadFiles],
    ['has its unit tests at the paths of its sources', checkMirror],
    ['has no ring of values, and none of types across rooms', checkCycles],
    ['has no crowded folder', checkFolders],
    ['has one file and one type of each name', checkNames],
    ['explains the number of every quirk', checkQuirks],
    ['cites functions of Linux with their files', (all) => checkCitations(all)],
  ];
  for (const [name, check] of checks) {
    it(name, () => expect(format(check(whole!))).toBe(''));
  }

  const linux = process.env.DMIRROR_LINUX;
  it.skipIf(linux === undefined)('cites what the source of Linux 6.12 has (needs DMIRROR_LINUX, its folder)', () => {
    expect(format(checkCitations(whole!, linux!))).toBe('');
  });
});

describe('the drawing in ARCHITECTURE.md', () => {
  const file = new URL('../../../docs/architecture.svg', import.meta.url);
  const NUMBER = /(?<=[ >·])\d+(\.\d+)?(?=k? (files?|lines|·)|<| ·)/g;

  it('has every room and arrow, with numbers that are not far from the truth', () => {
    const now = architectureSvg(whole!);
    if (process.env.DMIRROR_UPDATE === '1') writeFileSync(file, now);
    const drawn = readFileSync(file, 'utf8');
    const how = 'DMIRROR_UPDATE=1 npx vitest run tests/unit/structure draws it anew';
    expect(drawn.replace(NUMBER, 'n'), how).toBe(now.replace(NUMBER, 'n'));
    const [was, is] = [drawn, now].map((text) => text.match(NUMBER)!.map(Number));
    const isFar = (n: number, i: number) => Math.abs(n - is![i]!) > Math.max(5, is![i]! / 4);
    expect(was!.filter(isFar), how).toEqual([]);
  });
});

describe('the functions that `caller` takes', () => {
  const file = new URL('../../../tools/fault/plans/kernel-functions.ts', import.meta.url);

  it('are those of the sources', () => {
    const text = readFileSync(file, 'utf8');
    const renewed = withFunctionList(text, whole!);
    if (process.env.DMIRROR_UPDATE === '1') writeFileSync(file, renewed);
    else expect(text, 'DMIRROR_UPDATE=1 renews it').toBe(renewed);
  });
});

/** The top level is fixed, so that nobody commits what only lay beside their work. */
describe('the top level', () => {
  const git = spawnSync('git', ['ls-files'], { encoding: 'utf8' });

  it('has, as git lists it, these folders and files and no other', needs('a git clone', git.status === 0), () => {
    const names = new Set(
      git.stdout
        .trimEnd()
        .split('\n')
        .map((path) => path.split('/')[0]),
    );
    expect([...names].sort()).toEqual([
      '.ci',
      '.gitignore',
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'README.md',
      'bin',
      'biome.json',
      'docs',
      'driver',
      'index.ts',
      'package-lock.json',
      'package.json',
      'tests',
      'tools',
      'tsconfig.build.json',
      'tsconfig.json',
      'uapi',
      'vitest.config.ts',
    ]);
  });
});

/** The findings of one check over snippets, as `file:line` words. */
function flagged(check: (tree: Tree) => Finding[], snippets: Record<string, string>): string[] {
  return check(snippetTree(snippets)).map(({ file, line }) => `${file}:${line}`);
}

describe('the layer check', () => {
  it('flags an import that points up', () => {
    expect(
      flagged(checkLayers, { 'driver/mm/a.ts': "import '../hmm/b.js';", 'driver/hmm/b.ts': "import '../mm/a.js';" }),
    ).toEqual(['driver/mm/a.ts:1']);
  });

  it('flags a layer below that reaches uapi and nothing else', () => {
    const snippets = {
      'uapi/a.ts': "import 'node:fs';\nimport '../driver/core/b.js';",
      'driver/core/b.ts': "import '../../uapi/a.js';",
    };
    expect(flagged(checkLayers, snippets)).toEqual(['uapi/a.ts:1', 'uapi/a.ts:2']);
  });

  it('flags siblings, packages in kernel code, dynamic and type imports', () => {
    const snippets = {
      'driver/cpu/a.ts': "export const load = () => import('../daemon/b.js');",
      'driver/daemon/b.ts': "import 'node:net';\nexport type A = import('../cpu/a.js').load;",
      'driver/core/c.ts': "export * from 'commander';",
    };
    expect(flagged(checkLayers, snippets)).toEqual(['driver/cpu/a.ts:1', 'driver/daemon/b.ts:2', 'driver/core/c.ts:1']);
  });

  it('flags a file of no layer and a driver that knows its tests', () => {
    expect(
      flagged(checkLayers, { 'driver/a.ts': '', 'driver/sys/b.ts': "import '../../tests/selftests/case.js';" }),
    ).toEqual(['driver/a.ts:1', 'driver/sys/b.ts:1']);
  });
});

describe('the banned-name check', () => {
  const lines = (body: string) => flagged(checkBanned, { 'driver/mm/a.ts': body });

  it.each([
    'export const a = Promise.resolve();',
    'export async function a() {}',
    'setTimeout(() => {}, 1);',
    'export const a = Date.now();',
    'export const a = Math.random();',
    'export const a = performance.now();',
    'export const a = process.env.HOME;',
    'export const a = { process };',
    'export const a = 1n;',
    'export let a: bigint;',
    'export const a = BigInt(1);',
    'export const a = new BigUint64Array(1);',
    'export const a = new DataView(new ArrayBuffer(8)).getBigUint64(0);',
    'console.log(1);',
    'export const a = globalThis;',
    'queueMicrotask(() => {});',
    'export const a = (b: { touch(n: number): void; n: number }) => b.touch(--b.n);',
  ])('flags %s', (body) => expect(lines(body)).toEqual(['driver/mm/a.ts:1']));

  it('lets a parameter or a field be called process', () => {
    expect(
      lines('export function a(process: { process: number }) { return { process, b: process.process }; }'),
    ).toEqual([]);
  });

  it('leaves the daemon and uapi alone', () => {
    expect(
      flagged(checkBanned, { 'driver/daemon/a.ts': 'setTimeout(() => {}, 1);', 'uapi/b.ts': 'export const a = 1n;' }),
    ).toEqual([]);
  });
});

describe('the dropped-generator check', () => {
  const head = 'export function* g(): Generator<string, number> { yield ""; return 1; }\n';
  const use = (body: string) => flagged(checkDroppedGenerators, { 'driver/mm/a.ts': `${head}${body}` });

  it.each([
    'export function* f() { g(); yield ""; }',
    'export function f() { const err = g(); if (err) return 1; return 0; }',
    'export function f() { if (g()) return 1; return 0; }',
    'export function* f() { yield g(); }',
    'export class C { *m() { yield ""; } f() { this.m(); } }',
    'export type Op = { run?(): Generator<string, number> }; export function f(op: Op) { op.run?.(); }',
    'export type K<T> = Generator<string, T>; declare const h: () => K<void>; export function f() { void h(); }',
  ])('flags %s', (body) => expect(use(body)).toEqual(['driver/mm/a.ts:2']));

  it.each([
    'export function* f() { return yield* g(); }',
    'export function f() { return g(); }',
    'export const f = () => g();',
    'declare function spawn(task: Generator): void; spawn(g());',
    'export function* f() { const it = g(); return yield* it; }',
    'export function* f(a: boolean) { return yield* (a ? g() : g()); }',
    'export function f() { return [...g()]; }',
    'export function f() { return g().next(); }',
  ])('lets %s be', (body) => expect(use(body)).toEqual([]));
});

describe('the size check', () => {
  const filler = (n: number) => 'void 0;\n'.repeat(n);

  it('flags a long file and not a long table', () => {
    expect(flagged(checkSize, { 'driver/mm/a.ts': filler(MAX_FILE_LINES) })).toEqual([]);
    expect(flagged(checkSize, { 'driver/mm/a.ts': filler(MAX_FILE_LINES + 1) })).toEqual(['driver/mm/a.ts:1']);
    expect(flagged(checkSize, { 'uapi/a.ts': `export const t = [\n${'1,\n'.repeat(MAX_FILE_LINES)}];\n` })).toEqual([]);
  });

  it('flags a long function, method or arrow', () => {
    const body = filler(MAX_FUNCTION_LINES - 1);
    for (const text of [
      `export function f() {\n${body}}`,
      `export class C { *m() {\n${body}}}`,
      `export const f = () => {\n${body}};`,
    ]) {
      expect(flagged(checkSize, { 'driver/mm/a.ts': text })).toEqual(['driver/mm/a.ts:1']);
    }
    expect(
      flagged(checkSize, { 'driver/mm/a.ts': `export function f() {\n${filler(MAX_FUNCTION_LINES - 2)}}` }),
    ).toEqual([]);
  });
});

describe('the shape check', () => {
  it.each([
    'export default 1;',
    'export default function f() {}',
    'const a = 1; export { a as default };',
    'export enum E { A }',
    'export const enum E { A }',
  ])('flags %s', (body) => expect(flagged(checkShape, { 'driver/mm/a.ts': body })).toEqual(['driver/mm/a.ts:1']));

  it('flags a file name that is not kebab-case, and not a switch default', () => {
    expect(flagged(checkShape, { 'driver/mm/pageTable.ts': 'export {};' })).toEqual(['driver/mm/pageTable.ts:1']);
    expect(flagged(checkShape, { 'driver/mm/a.ts': 'switch (1 as number) { default: }' })).toEqual([]);
  });
});

describe('the ring check', () => {
  const a = 'driver/mm/a.ts';
  const b = 'driver/mm/b.ts';
  const c = 'driver/hmm/c.ts';

  it('flags values that need each other, at any distance', () => {
    const snippets = {
      [a]: "import { b } from './b.js';\nexport const a = b;",
      [b]: "import '../hmm/c.js';\nexport const b = 1;",
      [c]: "export * from '../mm/a.js';",
    };
    expect(flagged(checkCycles, snippets).sort()).toEqual(
      [`${a}:1`, `${b}:1`, `${c}:1`].flatMap((line) => [line, line]).sort(),
    );
  });

  it('flags types that need each other in two rooms, and lets those of one room be', () => {
    const type = (from: string) => `import type { T } from '${from}';\nexport type U = T;`;
    expect(flagged(checkCycles, { [a]: type('./b.js'), [b]: "import { type U } from './a.js';" })).toEqual([]);
    expect(flagged(checkCycles, { [a]: type('../hmm/c.js'), [c]: type('../mm/a.js') })).toEqual([`${c}:1`, `${a}:1`]);
  });

  it('lets a file be that another loads later', () => {
    const snippets = { [a]: "import './b.js';", [b]: "export const load = () => import('./a.js');" };
    expect(flagged(checkCycles, snippets)).toEqual([]);
  });
});

describe('the checks of places', () => {
  it('flag a crowded folder', () => {
    const files = (n: number) => Object.fromEntries(Array.from({ length: n }, (_, i) => [`driver/mm/a${i}.ts`, '']));
    expect(flagged(checkFolders, files(MAX_FOLDER_FILES))).toEqual([]);
    expect(flagged(checkFolders, files(MAX_FOLDER_FILES + 1))).toEqual(['driver/mm:1']);
  });

  it('flag a unit test of nothing', () => {
    const sources = { 'driver/mm/vmas/a.ts': '', 'uapi/b.ts': '' };
    const tests = (...paths: string[]) =>
      flagged(checkMirror, {
        ...sources,
        ...Object.fromEntries(paths.map((path) => [`tests/unit/${path}.test.ts`, ''])),
      });
    expect(tests('mm', 'mm/vmas', 'mm/vmas/a', 'mm/vmas/a/races', 'uapi/b')).toEqual([]);
    const wrong = ['mm/a', 'mm/vmas/b', 'mm/vmas/a/races/long', 'b', 'tools/a'];
    expect(tests(...wrong)).toEqual(wrong.map((path) => `tests/unit/${path}.test.ts:1`));
  });
});

describe('the name check', () => {
  it('flags a second file and a second type of one name', () => {
    const snippets = {
      'driver/mm/a.ts': 'export class Memory {}',
      'uapi/a.ts': 'export interface Other {}',
      'tools/commands/a.ts': 'export type Memory = string;',
      'uapi/dialects/a.ts': 'export const Memory = 1; class Other {}',
      'driver/mm/index.ts': "export { Memory } from './a.js';",
      'tests/unit/mm/a.ts': 'export class Memory {}',
    };
    expect(flagged(checkNames, snippets)).toEqual(['uapi/a.ts:1', 'tools/commands/a.ts:1']);
  });
});

describe('the dead-file check', () => {
  it('flags a file that only another dead file imports', () => {
    const snippets = {
      'index.ts': "import './driver/mm/a.js';",
      'driver/mm/a.ts': "export const b = () => import('./b.js');",
      'driver/mm/b.ts': 'export {};',
      'driver/mm/c.ts': "import './d.js';",
      'driver/mm/d.ts': 'export {};',
      'tests/unit/e.test.ts': 'export {};',
    };
    expect(flagged(checkDeadFiles, snippets)).toEqual(['driver/mm/c.ts:1', 'driver/mm/d.ts:1']);
  });
});

describe('the check of citations', () => {
  const lines = (body: string) => flagged((tree) => checkCitations(tree), { 'driver/mm/a.ts': body });

  it('flags a function without its file, but for those behind one and those of another kernel', () => {
    expect(lines('/** Linux: do_fault() */\nfunction f() {}')).toEqual(['driver/mm/a.ts:1']);
    expect(lines('// One. Linux: part of mmput(), mm/mmap.c:exit_mmap()')).toEqual(['driver/mm/a.ts:1']);
    expect(lines('// Linux: kernel/fork.c:mmput() and mmdrop()')).toEqual([]);
    expect(lines('/** Linux: folio_split_unmapped() of 6.19 */')).toEqual([]);
  });
});

describe('the check of names', () => {
  const lines = (body: string) => flagged(checkKernelNames, { 'driver/mm/a.ts': body });

  it.each([
    '/** Linux: mm/memory.c:do_swap_page() */\nexport function doNonPresentFault() {}',
    '// Linux: mm/memory.c:do_swap_page()\nexport function* swapIn() {}',
    '/** A fault.\n * Linux: do_swap_page(), do_fault() */\nexport function fault() {}',
    '/** Linux: part of do_swap_page(). Linux: do_fault() */\nexport function fault() {}',
    '/** Linux: do_swap_page() */\nexport const swapIn = () => 0;',
    'export class A {\n  /** Linux: swap_free() */\n  free() {}\n}',
    'export class A {\n  /** Linux: vm_swap_full() */\n  get isFull() { return true; }\n}',
    'export interface A {\n  /** Linux: handle_userfault() */\n  wait: () => void;\n}',
    '/** Linux: __folio_put() */\nexport function folioputs() {}',
  ])('flags %s', (body) => expect(lines(body)).toHaveLength(1));

  it.each([
    '/** Linux: mm/memory.c:do_swap_page() */\nexport function doSwapPage() {}',
    '/** Linux: mm/rmap.c:__folio_set_anon() */\nfunction folioSetAnon() {}',
    '/** Linux: mm/vma.c:__split_vma() */\nfunction splitVmaUnlimited() {}',
    '/** Linux: PAGE_ALIGN() */\nfunction pageAlign() {}',
    '/** Linux: folio_put(), folio_put_refs(). */\nfunction folioPut() {}',
    '/** Linux: part of mm/memory.c:do_swap_page() */\nfunction swapIn() {}',
    '/** Linux: part of mm/memory.c:do_swap_page() and do_fault(), with their locks */\nfunction fault() {}',
    '/** Not copy_page(), which is `f`. Linux: struct page */\nfunction f() {}',
    '/** Linux: mm/memory.c:do_swap_page() */\nconst POINT = 1;',
    '/** Linux: mm/memory.c:do_swap_page() */\nexport type Fault = () => void;',
    'function f() {\n  // Linux: cond_resched()\n  return 0;\n}',
    '/** Linux: do_fault() */\nconst A = 1;\n\nfunction f() {}',
  ])('lets %s be', (body) => expect(lines(body)).toEqual([]));
});
