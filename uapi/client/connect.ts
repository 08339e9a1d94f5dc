// The one file of uapi/ that knows Node: a Unix socket, or a Windows pipe, as the link of a WireTransport.

import { connect as connectSocket, type Socket } from 'node:net';
import type { HelloOptions } from '../wire/message.js';
import { type Link, WireTransport } from './wire-transport.js';

export interface ConnectOptions extends HelloOptions {
  /** Path of the socket; `dmirror serve` prints it. */
  readonly socket: string;
}

/** Pieces up to this size together are copied into one: a single write is cheaper than a list of them. */
const JOIN_BYTES = 65536;

/** A session with the machine that a daemon serves. Rejects when nobody listens or the server refuses. */
export async function connect(options: ConnectOptions): Promise<WireTransport> {
  const { socket: path, ...hello } = options;
  const socket = connectSocket(path);
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (error) => reject(new Error(`no connection to ${path}: ${error.message}`, { cause: error })));
  });
  socket.removeAllListeners('error');
  const link: Link = { send: (pieces) => sendPieces(socket, pieces), close: () => closeSocket(socket) };
  const { receiver, welcome } = WireTransport.open(link, hello);
  socket.on('data', (chunk) => {
    try {
      receiver.receive(chunk as Buffer);
    } catch (error) {
      receiver.closed(error instanceof Error ? error.message : String(error));
      socket.destroy();
    }
  });
  let reason: string | undefined;
  socket.on('error', (error) => {
    reason = error.message;
  });
  socket.on('close', () => receiver.closed(reason));
  try {
    return await welcome;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

const FAREWELL_MS = 1000;

function closeSocket(socket: Socket): void {
  socket.end();
  const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** Writes the pieces in order with as few system calls as their size allows. */
export function sendPieces(socket: Socket, pieces: Uint8Array[]): void {
  if (socket.destroyed || socket.writableEnded) return;
  if (pieces.length === 1) {
    socket.write(pieces[0]);
    return;
  }
  let total = 0;
  for (const piece of pieces) total += piece.length;
  if (total <= JOIN_BYTES) {
    socket.write(Buffer.concat(pieces, total));
    return;
  }
  socket.cork();
  for (const piece of pieces) socket.write(piece);
  socket.uncork();
}
