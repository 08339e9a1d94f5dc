// A transport over a stream of bytes, whatever carries them; connect.ts gives it a socket.

import type { CallArg, CallResult } from '../system-call.js';
import type { BytePool } from '../wire/byte-pool.js';
import { packPieces } from '../wire/codec.js';
import { FrameReader } from '../wire/frame.js';
import { FrameWriter } from '../wire/frame-writer.js';
import {
  type ErrorCode,
  type HelloOptions,
  helloPieces,
  PROTOCOL_VERSION,
  REQUEST,
  type Reply,
  readReply,
  type WireMap,
  writeCall,
} from '../wire/message.js';
import { PendingRequests } from './pending-requests.js';
import type { Transport } from './transport.js';

/** A two-way stream of bytes. */
export interface Link {
  /** Send the pieces in order. They must not be changed before they are gone; true: they are. */
  send(pieces: Uint8Array[]): boolean;
  /** No more is sent; when the other side has ended too, or not within a moment, `closed` of the receiver follows. */
  close(): void;
}

/** The server refused one request, or ended the connection; never an errno. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';

  constructor(
    readonly code: ErrorCode | 'disconnected',
    message: string,
  ) {
    super(`${code}: ${message}`);
  }
}

/** A reply is at most what the server lets one call answer; the server's limit is what counts. */
const MAX_REPLY_BYTES = 0xffffffff;
/** What is larger goes to memory of its own. */
const READ_BYTES = 16384;

/** Already kept: what follows it runs in a microtask, without what `queueMicrotask` of Node adds. */
const SOON = Promise.resolve();

/** What a server says of one event of its machine. */
export type TraceListener = (events: readonly WireMap[], dropped: number) => void;

/** Carries calls to a served machine. Requests made in one turn go out together, replies come as they finish. */
export class WireTransport implements Transport {
  /** What the server said of itself in its welcome. */
  readonly info: WireMap;
  private readonly pending = new PendingRequests();
  private readonly outgoing = new FrameWriter();
  private readonly flushSoon = () => this.flush();
  private nextId = 1;
  private listener: TraceListener | undefined;
  private closed: Error | undefined;
  private isClosing = false;
  private ended: () => void = () => {};
  /** Resolves when the connection is over, whoever ended it. */
  readonly whenClosed: Promise<void> = new Promise((resolve) => {
    this.ended = resolve;
  });

  private constructor(
    private readonly link: Link,
    private readonly memory: BytePool,
    info: WireMap,
  ) {
    this.info = info;
  }

  /** Numbering of the device files that this connection's processes open. */
  get dialect(): string {
    return String(this.info.dialect);
  }

  call(tid: number, name: string, args: CallArg[], into?: Uint8Array): Promise<CallResult> {
    return new Promise((resolve, reject) => {
      const id = this.newId();
      this.queueFlush();
      writeCall(this.outgoing, { id, tid, name, args });
      this.pending.add({ id, resolve, reject, into });
    });
  }

  async createProcess(options: { dialect?: string } = {}): Promise<number> {
    const { dialect = null } = options;
    const { ret } = await this.request<CallResult>((id) =>
      packPieces(dialect === null ? [REQUEST.process, id] : [REQUEST.process, id, dialect]),
    );
    return ret;
  }

  /** Asks the server itself: `status`, `check`, `describe`, `trace`, `untrace`. */
  control(what: string, options: WireMap = {}): Promise<WireMap> {
    return this.request((id) => packPieces([REQUEST.control, id, what, options]));
  }

  /** Who gets the events that a `trace` request asks for. */
  onTrace(listener: TraceListener): void {
    this.listener = listener;
  }

  /** Ends the session: the server kills its processes. */
  close(): Promise<void> {
    if (!this.closed && !this.isClosing) {
      this.isClosing = true;
      this.enqueue(packPieces([REQUEST.control, 0, 'end']));
      this.flush();
      this.link.close();
    }
    return this.whenClosed;
  }

  /** Greets the server at the other end. What comes from there is to be handed to `receiver`. */
  static open(link: Link, receiver: Receiver, options: HelloOptions): Promise<WireTransport> {
    const welcome = new Promise<WireTransport>((resolve, reject) => {
      receiver.onFail = reject;
      receiver.onReply = (reply) => {
        if (reply.kind === 'error') reject(new ProtocolError(reply.code, reply.message));
        else if (reply.kind !== 'welcome' || reply.version !== PROTOCOL_VERSION)
          reject(new ProtocolError('bad-hello', 'the server does not speak this version of the protocol'));
        else {
          const transport = new WireTransport(link, receiver.memory, reply.info);
          receiver.onReply = (later) => transport.received(later);
          receiver.onFail = (error) => transport.fail(error);
          resolve(transport);
        }
      };
    });
    link.send(helloPieces(options));
    return welcome;
  }

  private request<T>(encode: (id: number) => Uint8Array[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.newId();
      this.enqueue(encode(id));
      this.pending.add({ id, resolve: resolve as (value: never) => void, reject });
    });
  }

  /** Throws when the connection is over. */
  private newId(): number {
    if (this.closed) throw this.closed;
    const id = this.nextId;
    this.nextId = (id + 1) >>> 0;
    return id;
  }

  private enqueue(pieces: Uint8Array[]): void {
    this.queueFlush();
    this.outgoing.append(pieces);
  }

  /** Once for all that is queued in one turn, before the first of it is. */
  private queueFlush(): void {
    if (this.outgoing.bytes === 0) SOON.then(this.flushSoon);
  }

  private flush(): void {
    if (this.outgoing.bytes === 0) return;
    const pieces = this.outgoing.take();
    if (!this.closed && this.link.send(pieces)) this.outgoing.reuse();
  }

  private received(reply: Reply): void {
    if (reply.kind === 'events') {
      this.listener?.(reply.events, reply.dropped);
      return;
    }
    if (reply.kind === 'welcome') return;
    if (reply.kind === 'error' && reply.id === null) {
      this.fail(new ProtocolError(reply.code, reply.message));
      return;
    }
    const pending = this.pending.take(reply.id as number);
    if (reply.kind === 'error') pending?.reject(new ProtocolError(reply.code, reply.message));
    else if (reply.kind === 'answer') pending?.resolve(reply.value as never);
    else pending?.resolve(this.resultInto(reply.result, pending.into) as never);
  }

  private resultInto(result: CallResult, into: Uint8Array | undefined): CallResult {
    const { bytes } = result;
    if (into === undefined || bytes === undefined) return result;
    into.set(bytes);
    this.memory.give(bytes);
    result.bytes = into.subarray(0, bytes.length);
    return result;
  }

  private fail(error: Error): void {
    this.closed ??= error;
    for (const { reject } of this.pending.takeAll()) reject(this.closed);
    this.ended();
  }
}

/** Where a link hands over what comes. */
export class Receiver {
  onReply: (reply: Reply) => void = () => {};
  onFail: (error: Error) => void = () => {};
  private readonly shared = new Uint8Array(READ_BYTES);
  private readonly frames: FrameReader;
  private readonly take = (payload: Uint8Array): boolean => {
    this.onReply(readReply(payload, payload.buffer === this.shared.buffer));
    return true;
  };

  /** `memory` is for large payloads; a server is trusted to send what it announces. */
  constructor(readonly memory: BytePool) {
    this.frames = new FrameReader(MAX_REPLY_BYTES, {
      room: (_, lengthBytes) => memory.take(lengthBytes),
      outgrown() {},
    });
  }

  /** Where the link is to put the stream's next bytes: no read needs memory of its own, and what is large comes at once to where it stays. */
  get room(): Uint8Array {
    return this.frames.bodyRoom ?? this.shared;
  }

  /** `count` bytes were put into `room` as it was given. Throws on what is no protocol: the link is then to be closed. */
  filled(count: number, room: Uint8Array): void {
    if (room === this.shared) this.frames.push(room, this.take, count);
    else this.frames.filled(count, this.take);
  }

  /** The stream is over. Calls without an answer are rejected. */
  closed(reason = 'the connection is closed'): void {
    this.onFail(new ProtocolError('disconnected', reason));
  }
}
