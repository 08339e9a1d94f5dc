import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ProfileName } from '../../driver/mm/profile.js';
import { connect } from '../../uapi/client/connect.js';
import type { Transport } from '../../uapi/client/transport.js';
import { ProtocolError, type WireTransport } from '../../uapi/client/wire-transport.js';
import type { WireMap } from '../../uapi/wire/message.js';
import { connectOrRefuse } from '../connect-or-refuse.js';
import { shipped } from '../package-root.js';
import type { Lane } from './suite-run.js';

/** Where the machines of a suite are, which wants a new one for each case. */
export interface SuiteMachines {
  readonly lanes: readonly Lane[];
  /** Ends what was started. */
  end(): Promise<void>;
}

export interface SpawnOptions {
  /** Daemons, each for one case at a time. */
  readonly count: number;
  readonly dialect: string;
  readonly profile: ProfileName;
  /** Where their processes go. */
  readonly children?: Set<ChildProcess>;
}

/** The command next to this file, built or not. */
const COMMAND = shipped('bin/dmirror.js');
const BUSY_MS = 5000;
/** A daemon of ours lives for seconds, in which collecting garbage seldom beats collecting it often. */
const NODE_OPTIONS = ['--max-semi-space-size=64'];

export async function spawnMachines({ count, dialect, profile, children }: SpawnOptions): Promise<SuiteMachines> {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-'));
  const sockets = Array.from({ length: count }, (_, i) => join(folder, String(i)));
  const daemons: ChildProcess[] = [];
  const end = async () => {
    await Promise.all(daemons.map(stopDaemon));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await Promise.all(sockets.map((socket) => startDaemon(socket, { dialect, daemons })));
  } catch (error) {
    await end();
    throw error;
  }
  for (const daemon of daemons) children?.add(daemon);
  return { lanes: sockets.map((socket) => (options: object) => bootAt(socket, { profile, ...options })), end };
}

/** Machines of a daemon that runs already. It must be bootable, and nobody else may use it. Rejects when nobody answers there. */
export async function machinesAt(
  socket: string,
  own: { dialect?: string; profile?: ProfileName } = {},
): Promise<SuiteMachines> {
  const session = await connectOrRefuse(socket, { client: 'selftest' });
  await session.close();
  return {
    lanes: [(options) => bootAt(socket, { ...own, ...options })],
    end: async () => undefined,
  };
}

/** A session on a machine of its own. Closing it proves first that the machine holds together. */
async function bootAt(socket: string, options: object): Promise<Transport> {
  const { dialect, ...machine } = options as { dialect?: string };
  const session = await connect({ socket, client: 'selftest', ...(dialect === undefined ? {} : { dialect }) });
  try {
    await bootAlone(session, machine);
  } catch (error) {
    await session.close();
    throw error;
  }
  return {
    dialect: session.dialect,
    call: (tid, name, args, into) => session.call(tid, name, args, into),
    createProcess: () => session.createProcess(),
    async close() {
      try {
        const { ok, why } = await session.control('check');
        if (!ok) throw new Error(`the machine could not be checked: ${String(why)}`);
      } finally {
        await session.close();
      }
    },
  };
}

/** The session before may still be dying. */
async function bootAlone(session: WireTransport, machine: WireMap): Promise<void> {
  const deadline = performance.now() + BUSY_MS;
  for (;;) {
    try {
      await session.control('boot', machine);
      return;
    } catch (error) {
      const isBusy = error instanceof ProtocolError && error.message.includes('other sessions');
      if (!isBusy || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Resolves once it listens: it prints its socket then. It is among `daemons` at once, so that it can be ended before. */
function startDaemon(
  socket: string,
  { dialect, daemons }: { dialect: string; daemons: ChildProcess[] },
): Promise<void> {
  // Its standard input ends with this process, whatever ends that, and it with its standard input.
  const args = ['serve', '--socket', socket, '--dialect', dialect, '--bootable', '--child'];
  const child = spawn(process.execPath, [...NODE_OPTIONS, COMMAND, ...args], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin!.on('error', () => {});
  daemons.push(child);
  let log = '';
  child.stderr!.on('data', (text) => {
    log = (log + text).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the daemon ended with status ${code}: ${log}`)));
    child.stdout!.once('data', () => resolve());
  });
}

async function stopDaemon(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
