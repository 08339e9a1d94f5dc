import { type OnReadOpts, Socket } from 'node:net';

/** What a socket is made around. Node has no public name for it. */
interface Handle {
  useUserBuffer?: unknown;
}

/**
 * The accepted connection as a socket that reads into the memory that `onread` names. Node offers that to a socket that connects, and
 * gives an accepted one 64 KiB of new memory a read: a large frame then costs more in page faults and in garbage than in copies. So this takes
 * the handle over. `accepted` must have been made with pauseOnConnect. Undefined where Node does not let it: `accepted` is as it was.
 */
export function readingInto(accepted: Socket, onread: OnReadOpts): Socket | undefined {
  const { _handle: handle } = accepted as { _handle?: Handle | null };
  if (typeof handle?.useUserBuffer !== 'function') return undefined;
  const options = { handle, onread, allowHalfOpen: true, readable: true, writable: true };
  const socket = new Socket(options);
  // The server counts its connections by the sockets that it made.
  socket.once('close', () => accepted.destroy());
  return socket;
}
