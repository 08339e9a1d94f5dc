import { commandByNumber, commandSpelling, dialectByName } from '../../uapi/dialect.js';
import type { CallArg } from '../../uapi/system-call.js';
import type { WireMap } from '../../uapi/wire/message.js';
import { DeviceFile } from '../sys/files/device-file.js';
import type { Machine } from '../sys/machine/machine.js';
import type { Thread } from '../sys/processes/thread.js';
import type { TraceEvent, TraceKind } from '../trace/trace-event.js';
import { hex, operandText, RARE_KINDS, TRACE_KINDS } from '../trace/trace-text.js';
import type { Session } from './session.js';

/** What older clients call the steps of a migration. */
const OLD_KINDS: Readonly<Record<string, TraceKind>> = { stage: 'migrate' };

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
    if (!this.subscribers.delete(session)) return;
    if (this.subscribers.size === 0) this.machine().listen(null);
    else this.attach();
  }

  /** Listens to the present machine; also to be called for a new one. */
  attach(): void {
    this.threads.clear();
    if (this.subscribers.size === 0) return;
    const kinds = [...this.subscribers.values()].flatMap(({ filter }) => [...filter.kinds]);
    this.machine().listen((event) => this.take(event), new Set(kinds));
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

/** The event with its operands by name, who did it, and the same in words. */
function describe(event: TraceEvent, thread: Thread | undefined): WireMap {
  const device = thread && deviceOf(thread);
  return {
    ...event,
    pid: thread?.process.pid ?? 0,
    tid: thread?.tid ?? 0,
    ...(device === undefined ? {} : { device: device.dmirror.device.minor }),
    text: thread?.currentCall ? textInCall(event, thread, device) : operandText(event),
  };
}

/** A call with its arguments, a command as the caller's header spells it. */
function textInCall(event: TraceEvent, thread: Thread, device: DeviceFile | undefined): string {
  if (event.kind === 'syscall') return callText(thread, device);
  const [, cmd, , named] = thread.currentCall!.args;
  if (event.kind !== 'ioctl' || typeof cmd !== 'number') return operandText(event);
  const dialect = dialectByName(typeof named === 'string' ? named : (device?.dialect ?? ''));
  const command = dialect && commandByNumber(dialect, cmd);
  return operandText(command === undefined ? event : { ...event, command: commandSpelling(dialect!, command) });
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

/** The filter of a `trace` request, or what is wrong with it. */
export function parseFilter({ kinds, pid, device }: WireMap): TraceFilter | string {
  const wanted = kinds ?? RARE_KINDS;
  if (!Array.isArray(wanted)) return 'kinds is a list';
  const named = wanted.map((kind) => OLD_KINDS[String(kind)] ?? kind);
  const unknown = named.find((kind) => !(TRACE_KINDS as readonly unknown[]).includes(kind));
  if (unknown !== undefined) return `kinds are ${TRACE_KINDS.join(', ')}, not ${String(unknown)}`;
  if ((pid !== undefined && typeof pid !== 'number') || (device !== undefined && typeof device !== 'number'))
    return 'pid and device are numbers';
  return { kinds: new Set(named as string[]), pid, device };
}
