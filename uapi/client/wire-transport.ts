// A transport over a stream of bytes, whatever carries them; connect.ts gives it a socket.

import { packPieces } from '../wire/codec.js';
import { FrameReader } from '../wire/frame.js';
import {
  callPieces,
  type ErrorCode,
  type HelloOptions,
  helloPieces,
  PROTOCOL_VERSION,
  REQUEST,
  type Reply,
  readReply,
  type WireMap,
} from '../wire/message.js';
import type { CallArg, CallResult, Transport } from './transport.js';

/** A two-way stream of bytes. */
export interface Link {
  /** Send the pieces in order; they must not be changed before they are gone. */
  send(pieces: Uint8Array[]): void;
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

interface Pending {
  resolve(value: never): void;
  reject(error: Error): void;
}

/** A reply is at most what the server lets one call answer; the server's limit is what counts. */
const MAX_REPLY_BYTES = 0xffffffff;

/** What a server says of one event of its machine. */
export type TraceListener = (events: readonly WireMap[], dropped: number) => void;

/** Carries calls to a served machine. Requests made in one turn go out together, replies come as they finish. */
export class WireTransport implements Transport {
  /** What the server said of itself in its welcome. */
  readonly info: WireMap;
  private readonly pending = new Map<number, Pending>();
  private outgoing: Uint8Array[] = [];
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
    info: WireMap,
  ) {
    this.info = info;
  }

  /** Numbering of the device files that this connection's processes open. */
  get dialect(): string {
    return String(this.info.dialect);
  }

  call(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    return this.request((id) => callPieces(id, tid, name, args));
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

  /** Greets the server at the other end. `receive` and `fail` are to be called with what comes. */
  static open(link: Link, options: HelloOptions): { receiver: Receiver; welcome: Promise<WireTransport> } {
    const receiver = new Receiver();
    const welcome = new Promise<WireTransport>((resolve, reject) => {
      receiver.onFail = reject;
      receiver.onReply = (reply) => {
        if (reply.kind === 'error') reject(new ProtocolError(reply.code, reply.message));
        else if (reply.kind !== 'welcome' || reply.version !== PROTOCOL_VERSION)
          reject(new ProtocolError('bad-hello', 'the server does not speak this version of the protocol'));
        else {
          const transport = new WireTransport(link, reply.info);
          receiver.onReply = (later) => transport.received(later);
          receiver.onFail = (error) => transport.fail(error);
          resolve(transport);
        }
      };
    });
    link.send(helloPieces(options));
    return { receiver, welcome };
  }

  private request<T>(encode: (id: number) => Uint8Array[]): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.closed) throw this.closed;
      const id = this.nextId;
      this.nextId = (id + 1) >>> 0;
      this.enqueue(encode(id));
      this.pending.set(id, { resolve: resolve as (value: never) => void, reject });
    });
  }

  private enqueue(pieces: Uint8Array[]): void {
    if (this.outgoing.length === 0) queueMicrotask(() => this.flush());
    for (const piece of pieces) this.outgoing.push(piece);
  }

  private flush(): void {
    const pieces = this.outgoing;
    this.outgoing = [];
    if (!this.closed && pieces.length > 0) this.link.send(pieces);
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
    const pending = this.pending.get(reply.id as number);
    this.pending.delete(reply.id as number);
    if (reply.kind === 'error') pending?.reject(new ProtocolError(reply.code, reply.message));
    else pending?.resolve((reply.kind === 'result' ? reply.result : reply.value) as never);
  }

  private fail(error: Error): void {
    this.closed ??= error;
    for (const { reject } of this.pending.values()) reject(this.closed);
    this.pending.clear();
    this.ended();
  }
}

/** Where a link hands over what comes. */
export class Receiver {
  onReply: (reply: Reply) => void = () => {};
  onFail: (error: Error) => void = () => {};
  private readonly frames = new FrameReader(MAX_REPLY_BYTES);

  /** Throws on bytes that are no protocol; the link is then to be closed. */
  receive(chunk: Uint8Array): void {
    this.frames.push(chunk, (payload) => {
      this.onReply(readReply(payload));
      return true;
    });
  }

  /** The stream is over. Calls without an answer are rejected. */
  closed(reason = 'the connection is closed'): void {
    this.onFail(new ProtocolError('disconnected', reason));
  }
}
