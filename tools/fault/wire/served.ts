import { Daemon } from '../../../driver/daemon/daemon.js';
import type { Limits } from '../../../driver/daemon/limits.js';
import type { LogFields } from '../../../driver/daemon/logger.js';
import type { InjectContext } from '../../../driver/inject/inject-context.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../../driver/sys/machine/machine-options.js';
import type { Process } from '../../../driver/sys/processes/process.js';
import { packFrame } from '../../../uapi/wire/codec.js';
import { PROTOCOL_VERSION, REQUEST, type Reply } from '../../../uapi/wire/message.js';
import { PLAN_LIMITS, type PlanLimit, type PlanMachine } from '../plans/plan-schema.js';
import { Asked, ServedSession } from './served-session.js';
import type { WirePoint } from './wire-points.js';
import type { FrameInfo, WireRule, WireRules } from './wire-rules.js';

/** Turns without a frame between them after which the machine counts as one that never comes to rest. */
const MAX_TURNS = 1000;

/** A session that is about to be lost, for the sake of this frame. */
interface Doomed {
  readonly rule: WireRule;
  readonly session: ServedSession;
  readonly info: FrameInfo;
}

/** What was put off until nothing else can go on. */
interface PutOff {
  readonly atTick: number;
  readonly act: () => void;
}

interface ServedOptions {
  readonly machine: Partial<MachineOptions>;
  readonly limits?: Partial<Limits>;
}

/**
 * A daemon with its machine and sessions in this thread, on connections of memory. Frames arrive in the order in which they
 * were sent, all of them before the machine does anything; then it runs until it is at rest; then, and only then, comes
 * what a fault has put off. So a plan decides what arrives when, and the host's timing nothing.
 */
export class Served {
  readonly daemon: Daemon;
  readonly sessions = new Map<string, ServedSession>();
  rules: WireRules | null = null;
  /** Told each frame as it arrives and each reply as it is read, for a trace. */
  onFrame: ((text: string) => void) | null = null;
  /** What the daemon says of its own failures. */
  readonly failures: string[] = [];
  private readonly turns: (() => void)[] = [];
  private readonly outbox: { session: ServedSession; asked: Asked; isLate: boolean }[] = [];
  private readonly putOff: PutOff[] = [];
  /** Sessions that go while a call of theirs is in the kernel. */
  private readonly doomed: Doomed[] = [];

  constructor({ machine, limits = {} }: ServedOptions) {
    const log = (level: string, event: string, fields: LogFields = {}): void => {
      if (level === 'error') this.failures.push(`${event}: ${fields.message ?? ''}`);
    };
    const pace = { soon: (turn: () => void) => void this.turns.push(turn) };
    this.daemon = new Daemon({ machine, limits, pace, log: { log } });
  }

  get machine(): Machine {
    return this.daemon.host.machine;
  }

  /** The session that a process belongs to; null for one that none has. */
  sessionOf({ owner }: Process): ServedSession | null {
    for (const session of this.sessions.values()) if (session.id === owner) return session;
    return null;
  }

  /** Connects and says hello. */
  open(name: string, options: { dialect?: string } = {}): ServedSession {
    const session = new ServedSession(name, ({ name: of }, reply) => this.onFrame?.(`${of} < ${replyText(reply)}`));
    this.sessions.set(name, session);
    this.daemon.accept(session.socket.asSocket);
    const info = { ...NO_CALL, session: name, number: 0, command: 'hello' };
    this.ask(session, info, () => [REQUEST.hello, PROTOCOL_VERSION, options]);
    this.run();
    return session;
  }

  /** Sends one request. It arrives when the machine runs next. */
  ask(
    session: ServedSession,
    info: Omit<FrameInfo, 'number' | 'session'>,
    message: (id: number) => Parameters<typeof packFrame>[0],
  ): Asked {
    const id = session.newId();
    // Frames are counted as rules see them: from when the plan is armed.
    const number = this.machine.kernel.inject.armed ? ++session.frames : 0;
    const asked = new Asked(id, packFrame(message(id)), { ...info, session: session.name, number });
    session.add(asked);
    if (!session.isOver) this.outbox.push({ session, asked, isLate: false });
    return asked;
  }

  /** Lets everything happen that can. False when it never ends. */
  run(): boolean {
    for (let turns = 0; turns < MAX_TURNS; ) {
      while (this.deliver()) turns = 0;
      const turn = this.turns.shift();
      if (turn !== undefined) {
        turns++;
        turn();
      } else if (!this.release()) return true;
    }
    return false;
  }

  /** The next of the frames whose session may send arrives. */
  private deliver(): boolean {
    const next = this.outbox.findIndex(
      ({ session }) => session.isOver || (!session.isHeld && !session.socket.isPaused),
    );
    if (next < 0) return false;
    const [{ session, asked, isLate }] = this.outbox.splice(next, 1) as [(typeof this.outbox)[number]];
    if (session.isOver) return true;
    const delay = isLate ? null : this.strike('frame_delay', asked.info);
    if (delay === null) this.arrive(session, asked);
    else {
      session.isHeld = true;
      this.outbox.splice(next, 0, { session, asked, isLate: true });
      this.later(delay, () => {
        session.isHeld = false;
      });
    }
    return true;
  }

  private arrive(session: ServedSession, { frame, info }: Asked): void {
    const { socket } = session;
    this.onFrame?.(`${session.name} > ${info.command} ${frame.length} bytes`);
    const cut = this.strike('frame_cut', info);
    if (cut !== null) {
      socket.arrive(frame.subarray(0, Math.min(cut.bytes ?? Math.ceil(frame.length / 2), frame.length - 1)));
      session.drop();
      return;
    }
    const isTwice = this.strike('frame_twice', info) !== null;
    this.doom(session, info);
    const slow = this.strike('slow_reader', info);
    if (slow !== null) {
      session.isReading = false;
      this.later(slow, () => session.readOn());
    }
    socket.arrive(isTwice ? Buffer.concat([frame, frame]) : frame);
  }

  /** The session goes while its call is at a fault point, which a rule of the machine's waits for; at rest if it never gets there. */
  private doom(session: ServedSession, info: FrameInfo): void {
    const rule = this.rules?.strike('session_drop', info) ?? null;
    if (rule === null) return;
    const doomed: Doomed = { rule, session, info };
    session.isStruck = true;
    this.doomed.push(doomed);
    this.later(rule, () => {
      if (!this.doomed.includes(doomed)) return;
      this.rules!.note(rule, 'session_drop', { frame: info, tick: this.now });
      this.dropDoomed(doomed);
    });
  }

  /** Whether a task's call is one for which a session goes by this rule. */
  isDoomed(ruleName: string, { tid }: InjectContext): boolean {
    return this.doomed.some(({ rule, info }) => rule.name === ruleName && info.tid === tid);
  }

  /** In the kernel: the session of that call is gone. */
  dropIn(ruleName: string, { tid }: InjectContext): void {
    const doomed = this.doomed.find(({ rule, info }) => rule.name === ruleName && info.tid === tid);
    if (doomed !== undefined) this.dropDoomed(doomed);
  }

  private dropDoomed(doomed: Doomed): void {
    this.doomed.splice(this.doomed.indexOf(doomed), 1);
    doomed.session.drop();
  }

  /** The rule that strikes a frame at `point`, if one does; it is written down. */
  private strike(point: WirePoint, frame: FrameInfo): WireRule | null {
    const rule = this.rules?.strike(point, frame) ?? null;
    if (rule === null) return null;
    const session = this.sessions.get(frame.session)!;
    session.isStruck = true;
    this.rules!.note(rule, point, { frame, tick: this.now });
    return rule;
  }

  private get now(): number {
    return this.machine.kernel.scheduler.clock.nowTicks;
  }

  /** Comes when nothing else can go on, and not before the rule's delay is over. */
  private later({ delayTicks }: WireRule, act: () => void): void {
    this.putOff.push({ atTick: this.now + delayTicks, act });
  }

  /** Nothing else can go on: what was put off comes now, the earliest first, and time is there. */
  private release(): boolean {
    if (this.putOff.length === 0) return false;
    const first = this.putOff.reduce((a, b) => (b.atTick < a.atTick ? b : a));
    this.putOff.splice(this.putOff.indexOf(first), 1);
    const { scheduler } = this.machine.kernel;
    scheduler.advance(Math.max(0, first.atTick - scheduler.clock.nowTicks));
    first.act();
    this.daemon.host.kick();
    return true;
  }
}

/** A plan's limits as the daemon has them. */
export function limitsOf({ limits = {} }: PlanMachine): Partial<Limits> {
  return Object.fromEntries(Object.entries(limits).map(([name, value]) => [PLAN_LIMITS[name as PlanLimit], value]));
}

export const NO_CALL = { pid: -1, tid: -1, file: -1, device: -1, dialect: '', addr: -1, end: -1 };

function replyText(reply: Reply): string {
  if (reply.kind === 'error') return `error ${reply.id ?? '-'} ${reply.code}: ${reply.message}`;
  if (reply.kind === 'result') return `result ${reply.id} ${reply.result.ret}`;
  return reply.kind;
}
