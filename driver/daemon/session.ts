import type { Socket } from 'node:net';
import { sendPieces } from '../../uapi/client/send-pieces.js';
import { dialectByName } from '../../uapi/dialect.js';
import { SIGKILL, signalStatus } from '../../uapi/signal.js';
import type { CallArg, CallResult } from '../../uapi/system-call.js';
import { packPieces, type WireValue } from '../../uapi/wire/codec.js';
import { FrameTooLongError } from '../../uapi/wire/frame.js';
import { FrameWriter } from '../../uapi/wire/frame-writer.js';
import {
  BadMessageError,
  type ErrorCode,
  PROTOCOL_VERSION,
  REPLY,
  type Request,
  readRequest,
  type WireMap,
  writeResult,
} from '../../uapi/wire/message.js';
import type { PlainCall } from '../../uapi/wire/plain.js';
import { BadCallError } from '../sys/calls/syscall.js';
import { syscallByName } from '../sys/calls/syscalls.js';
import type { Call, Thread } from '../sys/processes/thread.js';
import { type ControlContext, controls } from './controls.js';
import { LimitError, type LimitName } from './limits.js';
import { RequestReader, type RequestSink } from './request-reader.js';

/** A call on its way. */
interface InFlight {
  readonly id: number;
  readonly thread: Thread;
  readonly call: Call;
  /** What its arguments are in. */
  readonly payload: Uint8Array;
  /** What it counts towards `queueBytes`. */
  readonly bytes: number;
  /** The call was given up because of this limit. */
  limit: LimitName | undefined;
}

/** `greeting`: no hello yet; `open`; `ending`: the peer is gone or was sent away, its processes are dying; `over`. */
type State = 'greeting' | 'open' | 'ending' | 'over';

/** Time for a peer to take the last error before the connection is cut. */
const FAREWELL_MS = 1000;
/** Characters of a text of the peer that stand in an answer or in the log. */
const SHOWN_CHARACTERS = 200;

/** One connection: reads requests, starts calls, sends what they answer, and at its end leaves nothing behind. */
export class Session implements RequestSink {
  state: State = 'greeting';
  strict = false;
  /** Numbering of device files that its processes open. */
  dialect: string;
  /** Why an ioctl of a thread was refused by the strict mode, until its call answers. */
  private readonly refusals = new Map<number, string>();
  private readonly socket: Socket;
  private readonly reader: RequestReader;
  /** In no order, and searched from end to end: there are few nearly always, and never more than `queueCalls`. */
  private readonly inFlight: InFlight[] = [];
  private dueBytes = 0;
  private spawning = 0;
  private readonly out = new FrameWriter();
  private isUnflushed = false;
  /** Controls without an answer. */
  private readonly unanswered = new Set<number>();
  /** What the daemon counts as this session's. */
  private chargedBytes = 0;
  private readonly helloTimer: NodeJS.Timeout;
  private lingerTimer: NodeJS.Timeout | undefined;

  constructor(
    private readonly daemon: ControlContext,
    readonly id: number,
    accepted: Socket,
  ) {
    const { limits } = daemon;
    this.dialect = daemon.dialect;
    this.helloTimer = setTimeout(
      () => this.dismiss('limit', `helloMs is limited to ${limits.helloMs}`),
      limits.helloMs,
    );
    this.reader = new RequestReader(daemon, this, accepted);
    this.socket = this.reader.socket;
    this.socket.on('drain', () => this.charge());
    this.socket.on('end', () => this.peerEnded());
    this.socket.on('error', () => this.end('connection error'));
    this.socket.on('close', () => this.end('disconnected'));
  }

  get isAlive(): boolean {
    return this.state === 'open' || this.state === 'greeting';
  }

  /** Bytes that wait for the peer to read them. */
  get unsentBytes(): number {
    return this.out.bytes + this.socket.writableLength;
  }

  /** So much waits that requests are not served any more until the peer has read. */
  get isFull(): boolean {
    return this.unsentBytes > this.daemon.limits.unsentBytes;
  }

  /** Tells the daemon how much memory the session holds. */
  private charge(): void {
    const held = this.isAlive ? this.reader.heldBytes + this.dueBytes + this.unsentBytes : 0;
    const before = this.chargedBytes;
    this.chargedBytes = held;
    this.daemon.charge(held - before);
  }

  get heldBytes(): number {
    return this.chargedBytes;
  }

  /** What reading threw. */
  failed(error: unknown): void {
    if (!(error instanceof FrameTooLongError)) throw error;
    this.dismiss('limit', `frameBytes is limited to ${error.limitBytes}; the frame has ${error.lengthBytes}`);
  }

  /** Requests have come, and are with the machine or answered. */
  sliceEnded(): void {
    this.daemon.host.kick();
    this.flush();
    this.charge();
  }

  handle(payload: Uint8Array, isLent: boolean): void {
    if (!this.isAlive) return;
    let isKept = false;
    try {
      const request = readRequest(payload, isLent);
      if (request.kind === 'hello' || this.state === 'greeting') this.greet(request);
      else isKept = this.serve(request, payload);
    } catch (error) {
      this.answerError(error);
    }
    if (!isKept) this.daemon.bytes.give(payload);
  }

  private answerError(error: unknown): void {
    if (error instanceof BadMessageError) {
      if (error.id === null || this.state === 'greeting') this.dismiss(error.code, error.message);
      else this.refuse(error.id, error.code, error.message);
    } else this.machineFailed(error);
  }

  private greet(request: Request): void {
    if (this.state !== 'greeting') {
      this.dismiss('bad-hello', 'hello comes once');
      return;
    }
    if (request.kind !== 'hello') {
      this.dismiss('bad-hello', 'the first message is hello');
      return;
    }
    if (request.version !== PROTOCOL_VERSION) {
      this.dismiss('bad-hello', `this server speaks version ${PROTOCOL_VERSION} of the protocol`);
      return;
    }
    const { dialect = this.daemon.dialect, strict = this.daemon.strict, client } = request.options;
    const known = dialectByName(dialect);
    if (known === undefined) {
      this.dismiss('no-such-dialect', `there is no dialect ${brief(dialect)}`);
      return;
    }
    clearTimeout(this.helloTimer);
    this.dialect = known.id;
    this.strict = strict || this.daemon.strict;
    this.state = 'open';
    const name = client === undefined ? undefined : brief(client);
    this.daemon.log.log('info', 'session', { session: this.id, dialect: known.id, client: name });
    this.send([
      REPLY.welcome,
      PROTOCOL_VERSION,
      { ...this.daemon.info(), session: this.id, dialect: known.id, strict: this.strict },
    ]);
  }

  /** True: the payload is in use until the call that it asks for is answered. */
  private serve(request: Exclude<Request, { kind: 'hello' }>, payload: Uint8Array): boolean {
    const { id } = request;
    if (this.unanswered.has(id) || this.inFlight.some((call) => call.id === id)) {
      this.refuse(id, 'duplicate-id', `request ${id} is not answered yet`);
      return false;
    }
    let isKept = false;
    this.guarded(id, () => {
      if (request.kind === 'call') isKept = this.startCall(request, payload);
      else if (request.kind === 'process') this.createProcess(id, request.dialect ?? this.dialect);
      else this.control(id, request.what, request.options);
    });
    return isKept;
  }

  private guarded(id: number, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.unanswered.delete(id);
      if (error instanceof LimitError) this.refuse(id, 'limit', error.message);
      else if (error instanceof BadCallError) this.refuse(id, 'bad-call', error.message);
      else this.machineFailed(error);
    }
  }

  /** A bug of ours, of which nobody knows how far it reached. */
  private machineFailed(error: unknown): void {
    this.daemon.host.fail(error instanceof Error ? error : new Error(String(error)));
  }

  private startCall({ id, tid, name, args }: PlainCall, payload: Uint8Array): boolean {
    const { host, limits } = this.daemon;
    const thread = host.machine.threadByTid(tid);
    if (thread === null || thread.process.owner !== this.id) {
      this.refuse(id, 'no-such-thread', `thread ${tid} is not one of this session`);
      return false;
    }
    const syscall = syscallByName(name);
    const dialect = args[syscall?.dialectArg ?? args.length];
    if (typeof dialect === 'string' && dialectByName(dialect) === undefined) {
      this.refuse(id, 'no-such-dialect', `there is no dialect ${brief(dialect)}`);
      return false;
    }
    this.assertQueueRoom();
    const bytes = payload.length + this.answeredBytes(args[syscall?.answersArg ?? args.length]);
    if (this.dueBytes + this.unsentBytes + bytes > limits.queueBytes) throw new LimitError(limits, 'queueBytes');
    if (syscall?.spawns) this.assertRoom();
    const call = host.machine.start(thread, name, args);
    if (call.result !== undefined) {
      this.sendResult(id, call.result);
      return false;
    }
    this.track({ id, thread, call, payload, bytes, limit: undefined });
    return true;
  }

  private assertQueueRoom(): void {
    const { limits } = this.daemon;
    if (this.inFlight.length + this.unanswered.size >= limits.queueCalls) throw new LimitError(limits, 'queueCalls');
  }

  private answeredBytes(wanted: CallArg | undefined): number {
    if (typeof wanted !== 'number') return 0;
    if (wanted > this.daemon.limits.frameBytes) throw new LimitError(this.daemon.limits, 'frameBytes');
    return Math.max(0, wanted);
  }

  private track(inFlight: InFlight): void {
    const { id, call, payload, bytes } = inFlight;
    this.inFlight.push(inFlight);
    this.dueBytes += bytes;
    const spawns = syscallByName(call.name)?.spawns;
    if (spawns) this.spawning++;
    call.onDone = (result) => {
      this.forget(inFlight);
      this.dueBytes -= bytes;
      if (spawns) this.spawning--;
      this.daemon.bytes.give(payload);
      if (this.state === 'open') this.answer(id, inFlight, result);
    };
  }

  private forget(call: InFlight): void {
    const last = this.inFlight.pop()!;
    if (last !== call) this.inFlight[this.inFlight.indexOf(call)] = last;
  }

  /** Runs inside the machine's turn; what it queues is sent behind it. */
  private answer(id: number, { thread, limit }: InFlight, result: CallResult): void {
    const refusal = this.refusals.get(thread.tid);
    this.refusals.delete(thread.tid);
    if (limit !== undefined) this.refuse(id, 'limit', `${limit} is limited to ${this.daemon.limits[limit]}`);
    else if (refusal !== undefined) this.refuse(id, 'refused', refusal);
    else if (result.stuck !== undefined) this.refuse(id, 'limit', result.stuck);
    else this.sendResult(id, result);
  }

  private sendResult(id: number, result: CallResult): void {
    this.queueFlush();
    writeResult(this.out, id, result);
  }

  /** An ioctl of `thread` is refused. A program's calls are answered by its errno alone. */
  noteRefusal(thread: Thread, message: string): void {
    if (this.inFlight.some((call) => call.thread === thread)) this.refusals.set(thread.tid, message);
  }

  private createProcess(id: number, dialect: string): void {
    const known = dialectByName(dialect);
    if (known === undefined) {
      this.refuse(id, 'no-such-dialect', `there is no dialect ${brief(dialect)}`);
      return;
    }
    this.assertRoom();
    const process = this.daemon.host.machine.createProcess({ dialect: known.id });
    process.owner = this.id;
    this.sendResult(id, { ret: process.pid });
  }

  /** One more process or thread of this session, and of the machine, has room. Throws LimitError. */
  assertRoom(): void {
    const { host, limits } = this.daemon;
    const count = this.spawning + host.machine.threadsOf(this.id);
    if (count >= limits.threads || host.machine.isFull) throw new LimitError(limits, 'threads');
  }

  private control(id: number, what: string, options: WireMap): void {
    const own = this.daemon.ownControls;
    const run = Object.hasOwn(controls, what) ? controls[what] : Object.hasOwn(own, what) ? own[what] : undefined;
    if (run === undefined) {
      this.refuse(id, 'no-such-control', `there is no control request ${brief(what)}`);
      return;
    }
    this.assertQueueRoom();
    this.unanswered.add(id);
    const answer = (value: WireMap) => {
      if (this.unanswered.delete(id) && this.state === 'open') this.send([REPLY.answer, id, value]);
    };
    const take = (fault: string | undefined) => {
      if (fault !== undefined && this.unanswered.delete(id)) this.refuse(id, 'bad-call', fault);
    };
    const later = (go: () => string | undefined) => {
      if (this.state !== 'open') return;
      this.guarded(id, () => take(go()));
      this.daemon.host.kick();
      this.flush();
    };
    take(run(this.daemon, this, { options, answer, later }));
  }

  /** Events for a tracer; those that a slow reader has no room for are only counted. */
  sendEvents(events: readonly WireMap[], dropped: number): void {
    if (this.state === 'open') this.send([REPLY.events, events, dropped]);
  }

  /** The machine gave no answer to these; calls that take too long are given up. Called between turns. */
  enforceSteps(): void {
    const { callSteps } = this.daemon.limits;
    for (const inFlight of this.inFlight) {
      const { thread, call } = inFlight;
      if (thread.task.steps <= callSteps || thread.currentCall !== call) continue;
      inFlight.limit = 'callSteps';
      thread.task.isAbandoned = true;
      // It does not look at that flag: the next thing is a signal that no process survives.
      if (thread.task.steps > 2 * callSteps) thread.process.doGroupExit(signalStatus(SIGKILL));
    }
  }

  private refuse(id: number, code: ErrorCode, message: string): void {
    this.send([REPLY.error, id, code, message]);
  }

  /** The last thing that the peer hears; then the session ends. */
  dismiss(code: ErrorCode, message: string): void {
    if (this.state === 'ending' || this.state === 'over') return;
    this.daemon.log.log('warn', 'dismissed', { session: this.id, code, message });
    this.send([REPLY.error, null, code, message]);
    this.flush();
    this.leave();
    this.end(code);
  }

  private send(message: readonly WireValue[]): void {
    this.queueFlush();
    this.out.append(packPieces(message));
  }

  /** Something is queued. */
  private queueFlush(): void {
    if (this.isUnflushed) return;
    this.isUnflushed = true;
    this.daemon.unflushed.push(this);
  }

  /** The daemon has it no longer on its list. */
  flushFromList(): void {
    this.isUnflushed = false;
    this.flush();
  }

  /** Hands what is queued to the socket, and stops reading requests while the peer does not read answers. */
  flush(): void {
    if (this.out.bytes === 0) return;
    const { socket, daemon } = this;
    const pieces = this.out.take();
    sendPieces(socket, pieces, (piece) => daemon.bytes.give(piece));
    const unsent = socket.writableLength;
    if (unsent === 0) this.out.reuse();
    else if (unsent > daemon.limits.unsentBytes) socket.pause();
    this.charge();
    daemon.poll.expect();
  }

  /** The peer sends no more: what it asked for may still finish, for a moment. */
  private peerEnded(): void {
    if (this.state !== 'open' || this.isDone) {
      this.hangUp();
      return;
    }
    this.lingerTimer = setTimeout(() => this.hangUp(), this.daemon.limits.lingerMs);
    this.daemon.lingering.add(this);
  }

  /** Nothing that was asked for waits for its answer. */
  private get isDone(): boolean {
    return this.inFlight.length === 0 && this.unanswered.size === 0;
  }

  /** Called between turns while the peer has ended its side. */
  hangUpWhenDone(): void {
    if (this.isDone) this.hangUp();
  }

  /** The peer is done: what is queued is sent, and the session ends. */
  hangUp(): void {
    this.flush();
    this.leave();
    this.end('disconnected');
  }

  /** The peer has a moment to take what it was sent. A socket that is not read does not see that the peer has gone, nor keep the process. */
  private leave(): void {
    const { socket } = this;
    socket.end();
    socket.resume();
    const timer = setTimeout(() => socket.destroy(), FAREWELL_MS);
    socket.once('close', () => clearTimeout(timer));
  }

  /** No request is served any more, and its processes are killed. */
  end(reason: string): void {
    if (this.state === 'ending' || this.state === 'over') return;
    this.state = 'ending';
    clearTimeout(this.helloTimer);
    clearTimeout(this.lingerTimer);
    this.charge();
    this.daemon.sessionEnding(this, reason);
  }

  /** Kills what is left of an ending session; true when nothing is. A fork that was under way may have made more. */
  reap(): boolean {
    const processes = this.daemon.host.processesOf(this.id);
    for (const process of processes) {
      process.doGroupExit(signalStatus(SIGKILL));
      for (const { task } of process.threads) if (task.state !== 'idle') task.isAbandoned = true;
    }
    return processes.length === 0 && this.daemon.host.removeFilesOf(this.id);
  }

  destroy(): void {
    this.socket.destroy();
  }
}

/** Text of the peer, cut where it is long. */
function brief(text: string): string {
  return text.length > SHOWN_CHARACTERS ? `${text.slice(0, SHOWN_CHARACTERS)}...` : text;
}
