import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median } from './measurement.js';

const COMMAND = fileURLToPath(new URL('../../../bin/dmirror.js', import.meta.url));
/** Built, this file is one folder deeper than in the tree. */
const COMMAND_IN_TREE = fileURLToPath(new URL('../../bin/dmirror.js', import.meta.url));

/** Echoes; or with an argument takes that many bytes before it answers one. */
const RAW_SERVER = `
const net = require('node:net');
const size = Number(process.argv[2] || 0);
net.createServer((socket) => {
  let got = 0;
  socket.on('data', (chunk) => {
    if (size === 0) return socket.write(chunk);
    got += chunk.length;
    for (; got >= size; got -= size) socket.write('x');
  });
  socket.on('error', () => {});
}).listen(process.argv[1], () => console.log('ready'));`;

/** Servers in processes of their own, and their folder. */
export class Servers {
  readonly folder = mkdtempSync(join(tmpdir(), 'dmirror-bench-'));
  private readonly children: ChildProcess[] = [];

  /** A daemon; its socket's path. */
  async daemon(): Promise<{ path: string; pid: number }> {
    const path = join(this.folder, 'daemon');
    const command = import.meta.url.includes('/dist/') ? COMMAND : COMMAND_IN_TREE;
    const pid = await this.start([command, 'serve', '--socket', path]);
    return { path, pid };
  }

  /** A bare socket server that echoes, or answers one byte for each `size`. */
  async raw(name: string, size = 0): Promise<Socket> {
    const path = join(this.folder, name);
    await this.start(['-e', RAW_SERVER, path, String(size)]);
    const socket = connectSocket(path);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return socket;
  }

  end(): void {
    for (const child of this.children) child.kill('SIGKILL');
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Resolves when it prints something. */
  private start(args: string[]): Promise<number> {
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.children.push(child);
    return new Promise((resolve, reject) => {
      child.once('exit', () => reject(new Error(`${args[0]} ended at once`)));
      child.stdout!.once('data', () => resolve(child.pid!));
    });
  }
}

/** Sends `bytes` and waits until `answerBytes` have come back. */
export function exchange(socket: Socket, bytes: readonly Uint8Array[], answerBytes: number): Promise<void> {
  return new Promise((resolve) => {
    let got = 0;
    const take = (chunk: Buffer) => {
      got += chunk.length;
      if (got < answerBytes) return;
      socket.off('data', take);
      resolve();
    };
    socket.on('data', take);
    for (const piece of bytes) socket.write(piece);
  });
}

/** Medians of two works, done in turns so that both see the same host. The first rounds are not counted. */
export async function pairs(
  rounds: number,
  first: () => Promise<unknown>,
  second: () => Promise<unknown>,
): Promise<[number, number]> {
  const times: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds * 1.5; round++) {
    for (const [i, work] of [first, second].entries()) {
      const start = performance.now();
      await work();
      if (round >= rounds / 2) times[i]!.push(performance.now() - start);
    }
  }
  return [median(times[0]), median(times[1])];
}
