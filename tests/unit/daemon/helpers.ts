import { mkdtempSync, rmSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { Daemon, type DaemonOptions } from '../../../driver/daemon/daemon.js';
import { connect } from '../../../uapi/client/connect.js';
import type { WireTransport } from '../../../uapi/client/wire-transport.js';
import { packFrame, unpackPayload, type WireValue } from '../../../uapi/wire/codec.js';
import { FrameReader } from '../../../uapi/wire/frame.js';
import type { HelloOptions } from '../../../uapi/wire/message.js';

/** A daemon of a test, with everything that was opened at it; all of it ends with the test. */
export interface Served {
  readonly daemon: Daemon;
  readonly path: string;
  connect(options?: HelloOptions): Promise<WireTransport>;
  raw(): Promise<RawPeer>;
}

export function tempFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'dmirror-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

const RAM_BYTES = 64 * 2 ** 20;

export async function serve(options: DaemonOptions = {}): Promise<Served> {
  const path = join(tempFolder(), 'socket');
  const daemon = new Daemon({ ...options, machine: { ramBytes: RAM_BYTES, coherent: false, ...options.machine } });
  await daemon.listen(path);
  onTestFinished(() => daemon.shutdown());
  return {
    daemon,
    path,
    async connect(hello = {}) {
      const transport = await connect({ socket: path, ...hello });
      onTestFinished(() => transport.close());
      return transport;
    },
    async raw() {
      const peer = await RawPeer.connect(path);
      onTestFinished(() => peer.destroy());
      return peer;
    },
  };
}

/** A peer that sends what it likes, and sees what comes as values. */
export class RawPeer {
  readonly replies: WireValue[][] = [];
  isClosed = false;
  private readonly waiters: (() => void)[] = [];
  private readonly frames = new FrameReader(2 ** 30);

  private constructor(readonly socket: Socket) {
    socket.on('data', (chunk) => {
      this.frames.push(chunk as Buffer, (payload) => {
        this.replies.push(unpackPayload(payload) as WireValue[]);
        return true;
      });
      this.wake();
    });
    socket.on('error', () => undefined);
    const over = () => {
      this.isClosed = true;
      this.wake();
    };
    socket.on('end', over);
    socket.on('close', over);
  }

  static connect(path: string): Promise<RawPeer> {
    return new Promise((resolve, reject) => {
      const socket = connectSocket({ path, allowHalfOpen: true });
      socket.once('connect', () => resolve(new RawPeer(socket)));
      socket.once('error', reject);
    });
  }

  send(...messages: WireValue[]): void {
    this.socket.write(Buffer.concat(messages.map(packFrame)));
  }

  bytes(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }

  hello(options: { readonly [key: string]: WireValue } = {}): void {
    this.send([0, 1, options]);
  }

  /** The next reply that nobody has taken yet. */
  async next(): Promise<WireValue[]> {
    while (this.replies.length === 0) {
      if (this.isClosed) throw new Error('the connection is closed');
      await this.change();
    }
    return this.replies.shift()!;
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await this.change();
  }

  destroy(): void {
    this.socket.destroy();
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private wake(): void {
    for (const waiter of this.waiters.splice(0)) waiter();
  }
}

/** Waits until `test` holds; the test's own time limit ends it. */
export async function until(test: () => boolean): Promise<void> {
  while (!test()) await new Promise((resolve) => setTimeout(resolve, 2));
}
