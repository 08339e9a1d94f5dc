import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { BusyPoll, DEFAULT_POLL_US } from '../../uapi/client/busy-poll.js';
import { commandByNumber, commandSpelling, dialectByName } from '../../uapi/dialect.js';
import { BytePool } from '../../uapi/wire/byte-pool.js';
import { packFrame } from '../../uapi/wire/codec.js';
import { PROTOCOL_VERSION, REPLY, type WireMap } from '../../uapi/wire/message.js';
import type { MachineOptions } from '../sys/machine/machine-options.js';
import type { Thread } from '../sys/processes/thread.js';
import type { Control, ControlContext } from './controls.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { type Logger, SILENT } from './logger.js';
import { MachineCheck } from './machine-check.js';
import { type HostEvents, MachineHost, type Pace } from './machine-host.js';
import { Session } from './session.js';
import { clearStaleSocket } from './socket-path.js';
import { TraceFeed } from './trace-feed.js';

export interface DaemonOptions {
  readonly machine?: Partial<MachineOptions>;
  readonly limits?: Partial<Limits>;
  readonly log?: Logger;
  /** Numbering for sessions that name none. */
  readonly dialect?: string;
  /** Every session is strict, whatever it says. */
  readonly strict?: boolean;
  /** A client that is alone may boot another machine; for test suites. */
  readonly bootable?: boolean;
  /** Control requests besides those of `controls.ts`: what only the layers above know how to do. */
  readonly controls?: Readonly<Record<string, Control>>;
  /** Microseconds to look for the next request before the process sleeps, while that pays; 0 sleeps at once. */
  readonly pollUs?: number;
  /** What `info` says that the server is. */
  readonly version?: string;
  /** For a server whose connections are made with `accept`: when the machine's turns run; else the event loop says it. */
  readonly pace?: Pace;
}

/** The dialect of the newest kernel that is known: what the strict mode compares with. */
const NEWEST_DIALECT = 'M7';
const SHUTDOWN_MS = 5000;
/** Large byte arrays that are kept for the next ones. */
const KEPT_BYTES = 16 * 2 ** 20;
const READ_BYTES = 65536;
/** Connections that wait to be accepted, which is one in a round of the event loop. */
const BACKLOG = 4096;
const SOCKET_MODE = 0o600;

/** Serves one machine on one socket to many sessions. */
export class Daemon implements ControlContext {
  readonly host: MachineHost;
  readonly limits: Limits;
  readonly log: Logger;
  readonly feed: TraceFeed;
  readonly check = new MachineCheck(() => this.host);
  readonly readBuffer = new Uint8Array(READ_BYTES);
  readonly bytes = new BytePool(KEPT_BYTES);
  readonly poll: BusyPoll;
  readonly dialect: string;
  readonly strict: boolean;
  readonly bootable: boolean;
  readonly ownControls: Readonly<Record<string, Control>>;
  readonly unflushed: Session[] = [];
  readonly lingering = new Set<Session>();
  private readonly sessions = new Map<number, Session>();
  private readonly ending = new Set<Session>();
  private readonly server: Server;
  private readonly version: string;
  private chargedBytes = 0;
  private isShedding = false;
  private nextSession = 1;
  private isShuttingDown = false;
  private emptied: (() => void) | undefined;

  constructor(options: DaemonOptions = {}) {
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.log = options.log ?? SILENT;
    this.strict = options.strict ?? false;
    this.bootable = options.bootable ?? false;
    this.ownControls = options.controls ?? {};
    this.version = options.version ?? 'unknown';
    this.poll = new BusyPoll(options.pollUs ?? DEFAULT_POLL_US);
    const machine = { ...options.machine, maxFiles: this.limits.files, maxMapCount: this.limits.mappings };
    const events: HostEvents = {
      turned: (wasCut) => this.turned(wasCut),
      booted: () => this.prepareMachine(),
      failed: (error) => this.machineFailed(error),
    };
    this.host = new MachineHost(machine, events, options.pace ?? null);
    this.dialect = options.dialect ?? this.host.machine.options.dialect;
    this.feed = new TraceFeed(() => this.host.machine, this.limits.unsentBytes);
    this.prepareMachine();
    this.server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => this.accept(socket));
  }

  /** Listens on a Unix socket, or a Windows pipe. Rejects with SocketPathError when it can't. */
  async listen(path: string): Promise<void> {
    if (process.platform !== 'win32') await clearStaleSocket(path);
    // The file is made inside `listen`: nobody else can connect in the moment before its mode is set.
    const umask = process.umask(0o177);
    try {
      await new Promise<void>((resolve, reject) => {
        this.server.once('error', reject);
        this.server.listen({ path, backlog: BACKLOG }, () => resolve());
        process.umask(umask);
      });
    } finally {
      process.umask(umask);
    }
    if (process.platform !== 'win32') chmodSync(path, SOCKET_MODE);
    this.log.log('info', 'listening', { socket: path });
  }

  /** Ends every session, waits until nothing of them is left, and removes the socket. */
  async shutdown(): Promise<void> {
    if (this.isShuttingDown) return;
    this.isShuttingDown = true;
    this.log.log('info', 'shutting down', { sessions: this.sessions.size });
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    for (const session of [...this.sessions.values()]) session.dismiss('shutting-down', 'the daemon ends');
    await this.empty();
    await closed;
    this.log.log('info', 'ended');
  }

  info(): WireMap {
    const { options, seed } = this.host.machine;
    const { ramBytes, coherent } = options;
    const path = this.host.machine.devices.context.path.name;
    const profile = this.host.machine.memory.profile.name;
    return {
      server: `dmirror ${this.version}`,
      protocol: PROTOCOL_VERSION,
      profile,
      path,
      seed,
      ramBytes,
      coherent,
    };
  }

  get sessionCount(): number {
    return this.sessions.size;
  }

  status(): WireMap {
    const { machine } = this.host;
    return {
      ...this.info(),
      sessions: this.sessions.size,
      processes: machine.allProcesses().length,
      steps: machine.kernel.scheduler.steps,
      limits: { ...this.limits },
    };
  }

  sessionEnding(session: Session, reason: string): void {
    this.log.log('info', 'session ends', { session: session.id, reason });
    this.lingering.delete(session);
    this.feed.remove(session);
    this.ending.add(session);
    this.reapSessions();
    this.host.kick();
  }

  charge(bytes: number): void {
    this.chargedBytes += bytes;
    const { totalBytes } = this.limits;
    if (bytes <= 0 || this.chargedBytes <= totalBytes || this.isShedding) return;
    this.isShedding = true;
    let most: Session | undefined;
    for (const session of this.sessions.values()) {
      if (session.isAlive && session.heldBytes > (most?.heldBytes ?? 0)) most = session;
    }
    most?.dismiss('limit', `totalBytes is limited to ${totalBytes}, and this session holds most of them`);
    this.isShedding = false;
  }

  /** Serves one connection, whoever made it. */
  accept(socket: Socket): void {
    if (this.sessions.size >= this.limits.sessions || this.isShuttingDown) {
      const [code, message] = this.isShuttingDown
        ? ['shutting-down', 'the daemon ends']
        : ['limit', `sessions is limited to ${this.limits.sessions}`];
      socket.on('error', () => socket.destroy());
      socket.end(packFrame([REPLY.error, null, code, message]), () => socket.destroy());
      this.log.log('warn', 'refused', { code, message });
      return;
    }
    const id = this.nextSession++;
    this.sessions.set(id, new Session(this, id, socket));
  }

  private turned(wasCut: boolean): void {
    if (wasCut) for (const session of this.sessions.values()) session.enforceSteps();
    this.feed.flush();
    if (this.unflushed.length > 0) for (const session of this.unflushed.splice(0)) session.flushFromList();
    if (this.lingering.size > 0) for (const session of [...this.lingering]) session.hangUpWhenDone();
    if (this.ending.size > 0) this.reapSessions();
  }

  private reapSessions(): void {
    for (const session of [...this.ending]) {
      if (!session.reap()) continue;
      session.state = 'over';
      this.ending.delete(session);
      this.sessions.delete(session.id);
    }
    if (this.sessions.size === 0) this.emptied?.();
  }

  private async empty(): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.emptied = resolve;
      timer = setTimeout(() => {
        this.log.log('error', 'sessions do not end', { sessions: this.sessions.size });
        for (const session of this.sessions.values()) session.destroy();
        resolve();
      }, SHUTDOWN_MS);
      this.reapSessions();
    });
    clearTimeout(timer);
  }

  private machineFailed(error: Error): void {
    this.log.log('error', 'the machine failed and a new one is booted', { message: error.message });
    for (const session of [...this.sessions.values()]) session.dismiss('machine-failed', error.message);
  }

  private prepareMachine(): void {
    this.feed.attach();
    this.host.machine.maxThreadsOfOwner = this.limits.threads;
    this.host.machine.newAnswer = (sizeBytes) => this.bytes.take(sizeBytes);
    this.host.machine.refusesIoctl = (thread, cmd, dialect) => this.refusesIoctl(thread, cmd, dialect);
  }

  /** A number that the caller's dialect and the newest one read differently, in a strict session. */
  private refusesIoctl(thread: Thread, cmd: number, dialectName: string): boolean {
    const session = this.sessions.get(thread.process.owner);
    if (session === undefined || !session.strict) return false;
    const dialect = dialectByName(dialectName)!;
    const newest = dialectByName(NEWEST_DIALECT)!;
    const meant = commandByNumber(dialect, cmd);
    const read = commandByNumber(newest, cmd);
    if (meant === undefined || read === undefined || meant === read) return false;
    const number = `0x${(cmd >>> 0).toString(16)}`;
    const message = `${number} is ${commandSpelling(dialect, meant)} in ${dialect.id} and ${commandSpelling(newest, read)} in ${newest.id}`;
    session.noteRefusal(thread, message);
    this.log.log('warn', 'ioctl refused', { session: session.id, tid: thread.tid, message });
    return true;
  }
}
