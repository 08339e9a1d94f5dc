import type { CallResult } from '../../../uapi/system-call.js';
import { HEADER_BYTES } from '../../../uapi/wire/frame.js';
import { type Reply, readReply } from '../../../uapi/wire/message.js';
import { MemorySocket } from './served-socket.js';
import type { FrameInfo } from './wire-rules.js';

/** What was asked of a session in one frame, and what came of it. */
export class Asked {
  /** Result that came for it. */
  result: CallResult | null = null;
  /** Code of a protocol error that came for it, or `disconnected`. */
  error: string | null = null;
  onOver: ((asked: Asked) => void) | null = null;
  isOver = false;

  constructor(
    readonly id: number,
    readonly frame: Uint8Array,
    readonly info: FrameInfo,
  ) {}

  finish(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.onOver?.(this);
  }
}

/** The client's end of a session: what it has sent, and what it was answered. */
export class ServedSession {
  readonly socket = new MemorySocket(this);
  /** Its number at the daemon, which owns its processes by it. */
  id = -1;
  /** A frame is late, and those behind it wait. */
  isHeld = false;
  isReading = true;
  isOver = false;
  /** Code of the error with which the server ended it. */
  goodbye: string | null = null;
  /** A fault was meant for it: what becomes of it is the plan's to expect. */
  isStruck = false;
  /** Protocol errors that no fault excuses. */
  readonly complaints: string[] = [];
  frames = 0;
  private readonly asked = new Map<number, Asked>();
  private nextId = 1;
  private held = Buffer.alloc(0);

  constructor(
    readonly name: string,
    readonly onReply: (session: ServedSession, reply: Reply) => void,
  ) {}

  newId(): number {
    return this.nextId++;
  }

  add(asked: Asked): void {
    this.asked.set(asked.id, asked);
    if (this.isOver) this.lose(asked);
  }

  /** The client goes without a word. */
  drop(): void {
    this.socket.drop();
    this.ended();
  }

  /** The client reads again. */
  readOn(): void {
    this.isReading = true;
    this.socket.readOn();
  }

  // What the socket tells.

  received(bytes: Uint8Array): void {
    this.held = Buffer.concat([this.held, bytes]);
    while (this.held.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.held.readUInt32BE(0);
      if (this.held.length < end) return;
      const payload = Uint8Array.from(this.held.subarray(HEADER_BYTES, end));
      this.held = this.held.subarray(end);
      this.replied(readReply(payload));
    }
  }

  ended(): void {
    if (this.isOver) return;
    this.isOver = true;
    for (const asked of this.asked.values()) this.lose(asked);
  }

  private lose(asked: Asked): void {
    asked.error ??= this.goodbye ?? 'disconnected';
    asked.finish();
  }

  private replied(reply: Reply): void {
    this.onReply(this, reply);
    if (reply.kind === 'error') this.complaints.push(reply.code);
    if (reply.kind === 'error' && reply.id === null) this.goodbye = reply.code;
    if (reply.kind === 'welcome') this.id = Number(reply.info.session);
    if (reply.kind === 'welcome' || reply.kind === 'events') return;
    // A frame that arrived twice is answered twice: the error and the result are both of it.
    const asked = reply.id === null ? undefined : this.asked.get(reply.id);
    if (asked === undefined) return;
    if (reply.kind === 'error') asked.error ??= reply.code;
    else asked.result ??= reply.kind === 'result' ? reply.result : { ret: 0 };
    if (asked.error !== 'duplicate-id' || asked.result !== null) asked.finish();
  }
}
