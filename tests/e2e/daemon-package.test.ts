import { spawnSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { installed, ROOT } from './installed.js';

/** Any native addon ends the process. */
const NO_ADDONS = "process.dlopen = (_, file) => { console.error('native addon', file); process.exit(9); };";

const LIBRARY = `
import { connect, Dmirror, inProcess, Machine, Process, type Transport } from 'dmirror';
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

/** Needs no types but the package's own. */
const BARE = `
import { connect, inProcess, type Memory, Process } from 'dmirror';
import { definePlan, runPlan } from 'dmirror/fault';
const process = await Process.create(await connect({ socket: 'none', pollUs: 0 }));
export const memory: Memory = await (await Process.create(inProcess())).map(4096);
export const pid: number = process.pid;
const result = await runPlan(definePlan({ name: 'none', steps: [] }), { path: 'unified' });
export const violations: readonly { kind: string }[] = result.violations;
`;

describe('the package, unpacked elsewhere', () => {
  let folder: string;

  beforeAll(() => {
    folder = unpack();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const node = (...args: string[]) =>
    spawnSync(process.execPath, ['--require', './no-addons.cjs', ...args], { cwd: folder, encoding: 'utf8' });

  it('runs the selftests, without a native addon', () => {
    const bin = join('node_modules', 'dmirror', 'bin', 'dmirror.js');
    const { status, stderr, stdout } = node(bin, 'selftest', '-t', 'hmm.*.anon_read', '--daemon');
    expect(stderr).toMatch(/^4 passed, 0 failed/);
    expect(stdout).toMatch(/^KTAP version 1\n/);
    expect(status).toBe(0);
  });

  it('is imported with its types', () => {
    const compiled = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', '.'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(compiled.stdout).toBe('');
    const { status, stdout, stderr } = node('library.js');
    expect(stderr).toBe('');
    expect(stdout).toBe('0 1 34 7 function function\n');
    expect(status).toBe(0);
  });

  it('is imported with its types where nothing else has any', () => {
    const compiled = spawnSync(process.execPath, [join(ROOT, 'node_modules/typescript/bin/tsc'), '-p', 'bare.json'], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect(compiled.stdout).toBe('');
    expect(compiled.status).toBe(0);
  });
});

function unpack(): string {
  const folder = installed();
  const compilerOptions = { target: 'es2023', module: 'nodenext', strict: true, types: ['node'] };
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ compilerOptions: { ...compilerOptions, skipLibCheck: true }, files: ['library.ts'] }),
  );
  const bare = { ...compilerOptions, types: [], noEmit: true, skipDefaultLibCheck: true };
  writeFileSync(join(folder, 'bare.json'), JSON.stringify({ compilerOptions: bare, files: ['bare.ts'] }));
  writeFileSync(join(folder, 'bare.ts'), BARE);
  writeFileSync(join(folder, 'library.ts'), LIBRARY);
  writeFileSync(join(folder, 'no-addons.cjs'), NO_ADDONS);
  return folder;
}
