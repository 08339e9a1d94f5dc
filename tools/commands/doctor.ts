import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { availableParallelism, freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Daemon } from '../../driver/daemon/daemon.js';
import { defaultSocketPath } from '../../driver/daemon/socket-path.js';
import { connect, Dmirror, Process } from '../../index.js';
import { EXIT } from '../exit-code.js';
import type { Output } from '../output.js';

/** How one check ended: `ok`, `missing` (something optional), `broken` (what the package needs). */
interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'missing' | 'broken';
  /** What was found, and what to do when it is not well. */
  readonly text: string;
}

const OLDEST_NODE = [20, 19];
const MIB = 2 ** 20;
const PAGE_BYTES = 4096;

/** `dmirror doctor`: what works here. Status 1 when something needed is broken. */
export async function doctor(options: { readonly json: boolean }, output: Output): Promise<number> {
  const checks = [
    checkNode,
    checkPackages,
    checkMemory,
    checkMachine,
    checkSocket,
    checkDaemon,
    checkPython,
    checkEmulation,
  ];
  const findings: Finding[] = [];
  for (const check of checks) findings.push(await check());
  for (const finding of findings) {
    const { name, state, text } = finding;
    output.out(
      options.json ? JSON.stringify({ schemaVersion: 1, ...finding }) : `${state.padEnd(8)} ${name.padEnd(16)} ${text}`,
    );
  }
  return findings.some(({ state }) => state === 'broken') ? EXIT.fail : EXIT.pass;
}

function checkNode(): Finding {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const isNew = major > OLDEST_NODE[0]! || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]!);
  const found = `Node ${process.version} on ${process.platform} ${process.arch}, ${availableParallelism()} CPUs`;
  return { name: 'node', state: isNew ? 'ok' : 'broken', text: isNew ? found : `${found}; 20.19 or newer is needed` };
}

/** Nothing of this package may need a compiler. */
async function checkPackages(): Promise<Finding> {
  await import('../../uapi/wire/codec.js');
  const addons = Object.keys(createRequire(import.meta.url).cache).filter((file) => file.endsWith('.node'));
  return addons.length === 0
    ? { name: 'packages', state: 'ok', text: 'no native addon is loaded' }
    : { name: 'packages', state: 'broken', text: `native addons are loaded: ${addons.join(', ')}` };
}

function checkMemory(): Finding {
  const text = `${Math.round(freemem() / MIB)} MiB of memory free`;
  try {
    new ArrayBuffer(2 ** 32);
    return { name: 'memory', state: 'ok', text: `${text}; a machine of 4 GiB can be made` };
  } catch {
    return {
      name: 'memory',
      state: 'missing',
      text: `${text}; not enough for a machine of 4 GiB, use a smaller --ram`,
    };
  }
}

async function attempt(name: string, fix: string, work: () => Promise<string>): Promise<Finding> {
  try {
    return { name, state: 'ok', text: await work() };
  } catch (error) {
    return { name, state: 'broken', text: `${error instanceof Error ? error.message : String(error)}; ${fix}` };
  }
}

function checkMachine(): Promise<Finding> {
  return attempt('machine', 'please report this', async () => {
    const { inProcess } = await import('../../index.js');
    const transport = inProcess({ ramBytes: 64 * MIB });
    const process = await Process.create(transport);
    const memory = await process.map(PAGE_BYTES);
    await memory.writeWord(0, 1);
    const device = await Dmirror.open(process, 0);
    const { ret } = await device.migrateToDev(memory.addr, 1);
    if (ret !== 0 || (await memory.readWord(0)) !== 1) throw new Error('a page did not come back from the device');
    await transport.close();
    return 'a page went to the device and came back';
  });
}

function checkSocket(): Promise<Finding> {
  return attempt('socket', `is ${tmpdir()} writable, and may sockets be made there?`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'dmirror-'));
    const path = process.platform === 'win32' ? `\\\\.\\pipe\\dmirror-${process.pid}` : join(folder, 'socket');
    const daemon = new Daemon({ machine: { ramBytes: 64 * MIB } });
    try {
      await daemon.listen(path);
      const session = await connect({ socket: path });
      await session.control('check');
      await session.close();
      return 'a daemon served a session';
    } finally {
      await daemon.shutdown();
      rmSync(folder, { recursive: true, force: true });
    }
  });
}

async function checkDaemon(): Promise<Finding> {
  const path = defaultSocketPath();
  try {
    const session = await connect({ socket: path, client: 'doctor' });
    const { sessions, path: migration } = await session.control('status');
    await session.close();
    return { name: 'daemon', state: 'ok', text: `one serves ${path}: ${sessions} sessions, path ${migration}` };
  } catch {
    const what = existsSync(path) ? 'does not answer' : 'is not there';
    return { name: 'daemon', state: 'missing', text: `${path} ${what}; \`dmirror serve\` starts one` };
  }
}

function checkPython(): Finding {
  const { status, stdout } = spawnSync('python3', ['--version'], { encoding: 'utf8' });
  return status === 0
    ? { name: 'python3', state: 'ok', text: `${stdout.trim()}; for the tests of the protocol` }
    : { name: 'python3', state: 'missing', text: 'the test of the protocol from Python is skipped' };
}

function checkEmulation(): Finding {
  const { status } = spawnSync('riscv64-linux-gnu-gcc', ['--version']);
  return status === 0
    ? { name: 'riscv compiler', state: 'ok', text: 'riscv64-linux-gnu-gcc is there' }
    : { name: 'riscv compiler', state: 'missing', text: 'riscv64-linux-gnu-gcc is not there; nothing needs it yet' };
}
