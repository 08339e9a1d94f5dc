import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PathName } from '../tests/selftests/case.js';
import { connect } from '../uapi/client/connect.js';
import type { Transport } from '../uapi/client/transport.js';
import { ProtocolError, type WireTransport } from '../uapi/client/wire-transport.js';
import type { WireMap } from '../uapi/wire/message.js';

/** Machines behind a socket, for a suite that wants a new one for each case. */
export interface ServedMachines {
  /** Boots a machine with these options, `path` among them, behind the daemon of that path. */
  boot(options: object): Promise<Transport>;
  /** Ends what was started. */
  end(): Promise<void>;
}

export interface SpawnOptions {
  readonly paths: readonly PathName[];
  readonly dialect: string;
}

/** The command next to this file, built or not. */
const COMMAND = fileURLToPath(new URL('../../bin/dmirror.js', import.meta.url));
const BUSY_MS = 5000;

/** Starts one daemon for each path. */
export async function spawnMachines({ paths, dialect }: SpawnOptions): Promise<ServedMachines> {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-'));
  const daemons = new Map<string, ChildProcess>();
  const end = async () => {
    await Promise.all([...daemons.values()].map(stopDaemon));
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const started = paths.map((path) => startDaemon(join(folder, path), { path, dialect }));
    for (const [i, child] of (await Promise.all(started)).entries()) daemons.set(paths[i]!, child);
  } catch (error) {
    await end();
    throw error;
  }
  return {
    boot: (options) => bootAt(join(folder, String((options as { path?: string }).path ?? paths[0])), options),
    end,
  };
}

/** Machines of a daemon that runs already. It must be bootable, and nobody else may use it. */
export function machinesAt(socket: string, dialect: string | undefined): ServedMachines {
  return {
    boot: (options) => bootAt(socket, dialect === undefined ? options : { ...options, dialect }),
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
    call: (tid, name, args) => session.call(tid, name, args),
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

/** Resolves once it listens: it prints its socket then. */
function startDaemon(socket: string, { path, dialect }: { path: PathName; dialect: string }): Promise<ChildProcess> {
  const args = ['serve', '--socket', socket, '--path', path, '--dialect', dialect, '--bootable'];
  const child = spawn(process.execPath, [COMMAND, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  child.stderr!.on('data', (text) => {
    log = (log + text).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`the daemon ended with status ${code}: ${log}`)));
    child.stdout!.once('data', () => resolve(child));
  });
}

async function stopDaemon(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
}
