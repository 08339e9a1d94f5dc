import type { Socket } from 'node:net';

/** Pieces up to this size together are copied into one: a single write is cheaper than a list of them. */
const JOIN_BYTES = 65536;

/**
 * Writes the pieces in order with as few system calls as their size allows. `onSent` hears of each piece above `JOIN_BYTES` that is
 * with the operating system and may be changed.
 */
export function sendPieces(socket: Socket, pieces: Uint8Array[], onSent?: (piece: Uint8Array) => void): void {
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
  for (const piece of pieces) {
    if (onSent === undefined || piece.length < JOIN_BYTES) socket.write(piece);
    else socket.write(piece, (error) => error ?? onSent(piece));
  }
  socket.uncork();
}
