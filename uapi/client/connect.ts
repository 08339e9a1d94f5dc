// The socket, Unix or a Windows pipe, as the link of a WireTransport. With busy-poll.ts the only part of uapi/ that knows Node.

import { connect as connectSocket, type OnReadOpts, type Socket } from 'node:net';
import { BytePool } from '../wire/byte-pool.js';
import type { HelloOptions } from '../wire/message.js';
import { BusyPoll, DEFAULT_POLL_US } from './busy-poll.js';
import { sendPieces } from './send-pieces.js';
import { socketPathProblem } from './socket-path-limit.js';
import { type Link, Receiver, WireTransport } from './wire-transport.js';

export interface ConnectOptions extends HelloOptions {
  /** Path of the socket; `dmirror serve` prints it. */
  readonly socket: string;
  /** Microseconds to look for an answer before the process sleeps, while that pays; 0 sleeps at once. */
  readonly pollUs?: number;
}

/** Who listens and is no dmirror daemon may never say a word. */
const HELLO_MS = 5000;

const KEPT_BYTES = 16 * 2 ** 20;

/** Memory of large answers of all connections: what `readInto` does not need any more is there for the next. */
const received = new BytePool(KEPT_BYTES, (sizeBytes) => new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer));

/** A session with the machine that a daemon serves. Rejects when nobody listens, when who does never answers, and when the server refuses. */
export async function connect(options: ConnectOptions): Promise<WireTransport> {
  const { socket: path, pollUs = DEFAULT_POLL_US, ...hello } = options;
  const problem = socketPathProblem(path);
  if (problem !== null) throw new Error(problem);
  const poll = new BusyPoll(pollUs);
  const receiver = new Receiver(received);
  const socket = connectSocket({ path, onread: reading(receiver, poll, (error) => fail(error)) });
  const fail = (error: Error) => {
    receiver.closed(error.message);
    socket.destroy();
  };
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => reject(new Error(`no connection to ${path}: ${error.message}`, { cause: error })));
  });
  socket.removeAllListeners('error');
  let reason: string | undefined;
  socket.on('error', (error) => {
    reason = error.message;
  });
  socket.on('close', () => receiver.closed(reason));
  const link: Link = {
    send(pieces) {
      sendPieces(socket, pieces);
      poll.expect();
      return socket.writableLength === 0;
    },
    close: () => closeSocket(socket),
  };
  const silence = `${path} accepts connections and says nothing for ${HELLO_MS / 1000} s: is it a dmirror daemon?`;
  const timer = setTimeout(() => fail(new Error(silence)), HELLO_MS);
  try {
    return await WireTransport.open(link, receiver, hello);
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

/** Reads into one buffer again and again, and what is of a large payload to where it belongs: no read costs memory of its own. */
function reading(receiver: Receiver, poll: BusyPoll, failed: (error: Error) => void): OnReadOpts {
  return {
    buffer: () => receiver.room,
    callback(count, buffer) {
      poll.arrived();
      try {
        receiver.filled(count, buffer);
      } catch (error) {
        failed(error instanceof Error ? error : new Error(String(error)));
      }
      return true;
    },
  };
}

const FAREWELL_MS = 1000;

function closeSocket(socket: Socket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
  socket.once('close', () => clearTimeout(timer));
}
