import { commandByNumber, commandSpelling, dialectByName } from '../../uapi/dialect.js';
import type { CallArg } from '../../uapi/system-call.js';
import type { WireMap } from '../../uapi/wire/message.js';
import type { TraceEvent } from '../core/trace.js';
import { DeviceFile } from '../sys/files/device-file.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Thread } from '../sys/processes/thread.js';
import type { Session } from './session.js';

/** Kinds that a tracer can ask for; locks are left out unless named, there are too many of them. */
const TRACE_KINDS = [
  'syscall',
  'ioctl',
  'fault',
  'walk',
  'migrate',
  'stage',
  'notifier',
  'page',
  'lock',
  'unlock',
] as const;
const DEFAULT_KINDS: readonly string[] = TRACE_KINDS.filter((kind) => kind !== 'lock' && kind !== 'unlock');

export interface TraceFilter {
  readonly kinds: ReadonlySet<string>;
  /** Only this process. */
  readonly pid: number | undefined;
  /** Only what happens in a call on this device. */
  readonly device: number | undefined;
}

interface Subscriber {
  readonly filter: TraceFilter;
  waiting: WireMap[];
  dropped: number;
}

/** Events that wait for one tracer between two turns. */
const MAX_WAITING = 1000;
const MAX_KNOWN_TASKS = 4096;

/** Hands what happens inside the machine to the sessions that watch it. */
export class TraceFeed {
  private readonly subscribers = new Map<Session, Subscriber>();
  private readonly threads = new Map<number, Thread>();

  constructor(
    private readonly machine: () => Machine,
    private readonly maxUnsentBytes: number,
  ) {}

  add(session: Session, filter: TraceFilter): void {
    this.subscribers.set(session, { filter, waiting: [], dropped: 0 });
    this.attach();
  }

  remove(session: Session): void {
    if (this.subscribers.delete(session) && this.subscribers.size === 0) this.machine().trace.listen(null);
  }

  /** Listens to the present machine; also to be called for a new one. */
  attach(): void {
    this.threads.clear();
    if (this.subscribers.size > 0) this.machine().trace.listen((event) => this.take(event));
  }

  /** Sends what has come since the last turn. */
  flush(): void {
    for (const [session, subscriber] of this.subscribers) {
      const { waiting, dropped } = subscriber;
      if (waiting.length === 0 || session.unsentBytes > this.maxUnsentBytes) continue;
      subscriber.waiting = [];
      subscriber.dropped = 0;
      session.sendEvents(waiting, dropped);
    }
  }

  private take(event: TraceEvent): void {
    let described: WireMap | undefined;
    const thread = this.threadOf(event.task);
    for (const subscriber of this.subscribers.values()) {
      if (!matches(subscriber.filter, event, thread)) continue;
      if (subscriber.waiting.length >= MAX_WAITING) {
        subscriber.dropped++;
        continue;
      }
      described ??= describe(event, thread);
      subscriber.waiting.push(described);
    }
  }

  private threadOf(task: number): Thread | undefined {
    const known = this.threads.get(task);
    if (known !== undefined) return known;
    if (this.threads.size > MAX_KNOWN_TASKS) this.threads.clear();
    for (const thread of this.machine().allThreads()) this.threads.set(thread.task.id, thread);
    return this.threads.get(task);
  }
}

function matches({ kinds, pid, device }: TraceFilter, { kind }: TraceEvent, thread: Thread | undefined): boolean {
  if (!kinds.has(kind)) return false;
  if (pid !== undefined && thread?.process.pid !== pid) return false;
  return device === undefined || (thread !== undefined && deviceOf(thread)?.dmirror.device.minor === device);
}

/** The device file that the thread's present call works on. */
function deviceOf(thread: Thread): DeviceFile | undefined {
  const call = thread.currentCall;
  const fd = call !== null && /^(ioctl|ioctlBytes|close)$/.test(call.name) ? call.args[0] : undefined;
  const file = typeof fd === 'number' ? thread.process.files.get(fd) : null;
  return file instanceof DeviceFile ? file : undefined;
}

function describe(event: TraceEvent, thread: Thread | undefined): WireMap {
  const { tick, kind } = event;
  const device = thread && deviceOf(thread);
  return {
    tick,
    pid: thread?.process.pid ?? 0,
    tid: thread?.tid ?? 0,
    kind,
    ...(device === undefined ? {} : { device: device.dmirror.device.minor }),
    text: kind === 'syscall' && thread?.currentCall ? callText(thread, device) : eventText(event, thread, device),
  };
}

/** `name(arguments)`, an ioctl's number by its name in the caller's dialect. */
function callText(thread: Thread, device: DeviceFile | undefined): string {
  const { name, args } = thread.currentCall!;
  const shown = args.map(argText);
  if ((name === 'ioctl' || name === 'ioctlBytes') && typeof args[1] === 'number') {
    shown[1] = commandText(args[1], typeof args[3] === 'string' ? args[3] : device?.dialect);
    shown.length = Math.min(shown.length, 3);
  }
  return `${name}(${shown.join(', ')})`;
}

const LONG_TEXT = 64;

function argText(arg: CallArg): string {
  if (typeof arg === 'string') return JSON.stringify(arg.length > LONG_TEXT ? `${arg.slice(0, LONG_TEXT)}...` : arg);
  if (typeof arg !== 'number') return `<${arg.length} bytes>`;
  return Math.abs(arg) < 4096 ? String(arg) : hex(arg);
}

function commandText(number: number, dialectName: string | undefined): string {
  const dialect = dialectName === undefined ? undefined : dialectByName(dialectName);
  if (dialect === undefined) return hex(number >>> 0);
  const command = commandByNumber(dialect, number);
  const name =
    command === undefined ? `unknown ${hex(number >>> 0)}` : `HMM_DMIRROR_${commandSpelling(dialect, command)}`;
  return `${name} [${dialect.id}]`;
}

/** The command's name as the caller's header spells it, before its outcome or its range. */
function eventText(
  { kind, detail, a, b }: TraceEvent,
  thread: Thread | undefined,
  device: DeviceFile | undefined,
): string {
  if (kind === 'fault') return `${detail} fault at ${hex(a)}`;
  if (kind === 'lock' || kind === 'unlock') return `${kind} ${detail}`;
  if (kind !== 'ioctl') return `${kind} ${detail} ${hex(a)}-${hex(b)}`;
  const cmd = thread?.currentCall?.args[1];
  const named = thread?.currentCall?.args[3];
  const dialect = dialectByName(typeof named === 'string' ? named : (device?.dialect ?? ''));
  const command = dialect && typeof cmd === 'number' ? commandByNumber(dialect, cmd) : undefined;
  const name = command === undefined ? detail.replace(' done', '') : commandSpelling(dialect!, command);
  return detail.endsWith(' done') ? `${name} = ${a}, ${b} pages` : `${name} ${hex(a)}, ${b} pages`;
}

function hex(value: number): string {
  return `${value < 0 ? '-' : ''}0x${Math.abs(value).toString(16)}`;
}

/** The filter of a `trace` request, or what is wrong with it. */
export function parseFilter({ kinds, pid, device }: WireMap): TraceFilter | string {
  const wanted = kinds ?? DEFAULT_KINDS;
  if (!Array.isArray(wanted)) return 'kinds is a list';
  const unknown = wanted.find((kind) => !(TRACE_KINDS as readonly unknown[]).includes(kind));
  if (unknown !== undefined) return `kinds are ${TRACE_KINDS.join(', ')}`;
  if ((pid !== undefined && typeof pid !== 'number') || (device !== undefined && typeof device !== 'number'))
    return 'pid and device are numbers';
  return { kinds: new Set(wanted as string[]), pid, device };
}
