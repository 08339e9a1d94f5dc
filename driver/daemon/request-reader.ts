import type { Socket } from 'node:net';
import { FrameReader } from '../../uapi/wire/frame.js';
import { readingInto } from './accepted-socket.js';
import type { ControlContext } from './controls.js';

/** What a reader asks of the session whose requests it reads. */
export interface RequestSink {
  /** Requests are still served. */
  readonly isAlive: boolean;
  /** The peer has so many answers to read that no more requests are served. */
  readonly isFull: boolean;
  /** `isLent`: the payload's memory is written again once this returns. */
  handle(payload: Uint8Array, isLent: boolean): void;
  /** Reading failed, as a frame is too long. */
  failed(error: unknown): void;
  /** So much of what has come is handled, the rest waits. */
  sliceEnded(): void;
}

/** Requests of one session that are served one after the other before other sessions have their turn. */
const SLICE_REQUESTS = 64;
const NOTHING = new Uint8Array(0);

/** Cuts what a peer sends into payloads and hands them on in slices, so that a peer which sends thousands at once holds up nobody. */
export class RequestReader {
  readonly socket: Socket;
  private readonly frames: FrameReader;
  /** Where the next bytes are read to, when that is not the shared buffer. */
  private bodyRoom: Uint8Array | undefined;
  /** What came behind the requests of this slice, which wait for the next one. */
  private rest = NOTHING;
  /** Memory of the slice before; it is used up before the next one is read, as the shared buffer is. */
  private restBuffer: ArrayBufferLike | undefined;
  private sliceRequests = 0;
  private readonly takePayload = (payload: Uint8Array): boolean => {
    const { sink } = this;
    sink.handle(payload, this.isLent(payload));
    return sink.isAlive && --this.sliceRequests > 0 && !sink.isFull;
  };

  constructor(
    private readonly daemon: ControlContext,
    private readonly sink: RequestSink,
    accepted: Socket,
  ) {
    this.frames = new FrameReader(daemon.limits.frameBytes, daemon.bytes);
    this.socket = this.start(accepted);
    this.socket.on('drain', () => this.drained());
  }

  /** Small frames are read into memory that all sessions share for a moment each, large ones to where they stay. */
  private start(accepted: Socket): Socket {
    const { readBuffer } = this.daemon;
    const socket = readingInto(accepted, {
      buffer: () => {
        this.bodyRoom = this.frames.bodyRoom;
        return this.bodyRoom ?? readBuffer;
      },
      callback: (count, buffer) => {
        this.receive(buffer, count);
        return true;
      },
    });
    if (socket !== undefined) return socket;
    accepted.on('data', (chunk: Buffer) => this.receive(chunk, chunk.length));
    return accepted.resume();
  }

  /** Memory that is held for requests which have not come whole or are not handled. */
  get heldBytes(): number {
    return this.frames.roomBytes + this.rest.length;
  }

  private isLent({ buffer }: Uint8Array): boolean {
    return buffer === this.daemon.readBuffer.buffer || buffer === this.restBuffer;
  }

  /** `count` bytes came into `buffer`: the room that the present frame has, where that is large, or any other. */
  private receive(buffer: Uint8Array, count: number): void {
    this.daemon.poll.arrived();
    try {
      this.sliceRequests = SLICE_REQUESTS;
      if (buffer === this.bodyRoom) this.frames.filled(count, this.takePayload);
      else this.leaveRest(buffer, this.frames.push(buffer, this.takePayload, count), count);
    } catch (error) {
      this.sink.failed(error);
    }
    this.sink.sliceEnded();
  }

  /** Bytes from `start` to `end` have come and wait. */
  private leaveRest(buffer: Uint8Array, start: number, end: number): void {
    if (start >= end || !this.sink.isAlive) return;
    this.rest = buffer.slice(start, end);
    this.socket.pause();
    this.daemon.host.later(() => this.goOn());
  }

  /** The next slice of what has come already. */
  private goOn(): void {
    const { rest, sink } = this;
    if (!sink.isAlive || rest.length === 0 || sink.isFull) return;
    this.rest = NOTHING;
    this.restBuffer = rest.buffer;
    this.receive(rest, rest.length);
    this.readOn();
  }

  /** The peer has taken what it was sent. */
  private drained(): void {
    if (this.rest.length > 0) this.goOn();
    else this.readOn();
  }

  private readOn(): void {
    const { sink } = this;
    if (sink.isAlive && this.rest.length === 0 && !sink.isFull) this.socket.resume();
  }
}
