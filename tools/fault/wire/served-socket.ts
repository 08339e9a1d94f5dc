import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

/**
 * The daemon's end of a connection that is nothing but memory, as far as a session asks for one: what arrives when is up to
 * whoever holds the other end, and never to the host.
 */
export class MemorySocket extends EventEmitter {
  destroyed = false;
  writableEnded = false;
  /** Bytes that the peer has not taken. */
  writableLength = 0;
  isPaused = false;
  private unread: Uint8Array[] = [];

  constructor(
    /** What the peer is sent, when it reads. */
    private readonly peer: { received(bytes: Uint8Array): void; ended(): void; readonly isReading: boolean },
  ) {
    super();
  }

  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  // The peer's side.

  /** Bytes of the peer arrive in one piece. */
  arrive(bytes: Uint8Array): void {
    if (!this.destroyed) this.emit('data', Buffer.from(bytes));
  }

  /** The peer is gone. */
  drop(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    this.emit('close');
  }

  /** The peer reads again what it was sent meanwhile. */
  readOn(): void {
    const bytes = this.unread;
    const wasFull = this.writableLength > 0;
    this.unread = [];
    this.writableLength = 0;
    for (const piece of bytes) this.peer.received(piece);
    if (this.writableEnded) this.peer.ended();
    else if (wasFull && !this.destroyed) this.emit('drain');
  }

  // The daemon's side, as it uses a socket of Node.

  write(bytes: Uint8Array, onSent?: (error?: Error) => void): boolean {
    // Memory of the daemon is used again once the bytes are sent.
    const piece = Uint8Array.from(bytes);
    if (this.peer.isReading && this.unread.length === 0) this.peer.received(piece);
    else {
      this.unread.push(piece);
      this.writableLength += piece.length;
    }
    onSent?.();
    return this.writableLength === 0;
  }

  end(bytes?: Uint8Array): this {
    if (bytes !== undefined) this.write(bytes);
    if (this.writableEnded) return this;
    this.writableEnded = true;
    if (this.unread.length === 0) this.peer.ended();
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    if (!this.writableEnded) this.peer.ended();
    this.emit('close');
    return this;
  }

  pause(): this {
    this.isPaused = true;
    return this;
  }

  resume(): this {
    this.isPaused = false;
    return this;
  }

  cork(): void {}

  uncork(): void {}
}
