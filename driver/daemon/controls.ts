import type { BusyPoll } from '../../uapi/client/busy-poll.js';
import { commandSpelling, dialectByName, dialectIds } from '../../uapi/dialect.js';
import type { BytePool } from '../../uapi/wire/byte-pool.js';
import type { WireMap } from '../../uapi/wire/message.js';
import { isModelled } from '../dmirror/commands/ioctl.js';
import { DEFAULT_MACHINE_OPTIONS, type MachineOptions } from '../sys/machine/machine-options.js';
import type { Limits } from './limits.js';
import type { Logger } from './logger.js';
import type { MachineCheck } from './machine-check.js';
import type { MachineHost } from './machine-host.js';
import type { Session } from './session.js';
import { parseFilter, type TraceFeed } from './trace-feed.js';

/** What a session needs of the daemon it belongs to. */
export interface ControlContext {
  readonly host: MachineHost;
  readonly limits: Limits;
  readonly log: Logger;
  readonly feed: TraceFeed;
  readonly check: MachineCheck;
  /** What a socket has is read into this; it is used up before the next one is read. */
  readonly readBuffer: Uint8Array;
  /** Large payloads and answers, of all sessions. */
  readonly bytes: BytePool;
  readonly poll: BusyPoll;
  /** Numbering for sessions that name none. */
  readonly dialect: string;
  /** Every session is strict. */
  readonly strict: boolean;
  /** A client that is alone may boot another machine. */
  readonly bootable: boolean;
  /** Control requests that the layers above have added. */
  readonly ownControls: Readonly<Record<string, Control>>;
  /** Sessions that are there, ending ones too. */
  readonly sessionCount: number;
  /** The sessions hold so many bytes more; those that hold too many end. */
  charge(bytes: number): void;
  /** Sessions with answers that no socket has seen. */
  readonly unflushed: Session[];
  /** Sessions whose peer sends no more. */
  readonly lingering: Set<Session>;
  info(): WireMap;
  status(): WireMap;
  sessionEnding(session: Session, reason: string): void;
}

interface ControlRequest {
  readonly options: WireMap;
  /** May be called later; nobody minds when the session is gone by then. */
  answer(value: WireMap): void;
  /** Goes on with the request later, as if it came now. */
  later(run: () => string | undefined): void;
}

/** Answers by itself, or says what is wrong with the request. */
export type Control = (daemon: ControlContext, session: Session, request: ControlRequest) => string | undefined;

/** Requests to the daemon itself, by name; README.md of uapi/wire specifies them. */
export const controls: Readonly<Record<string, Control>> = {
  status(daemon, _session, { answer }) {
    answer(daemon.status());
    return undefined;
  },
  check(daemon, _session, { answer }) {
    daemon.check.ask(answer);
    return undefined;
  },
  describe(daemon, session, { options, answer }) {
    const name = options.dialect ?? session.dialect;
    const dialect = typeof name === 'string' ? dialectByName(name) : undefined;
    if (dialect === undefined) return `there is no dialect ${String(name)}`;
    const numbers = [...dialect.numbers];
    const commands = numbers.map(([command, number]) => [commandSpelling(dialect, command), number] as const);
    const { profile } = daemon.host.machine.memory;
    const rest = numbers.filter(([command]) => !isModelled(command, profile));
    const states = rest.map(([command]) => [commandSpelling(dialect, command), 'not modelled'] as const);
    const { id, title } = dialect;
    answer({
      dialect: id,
      title,
      dialects: dialectIds(),
      commands: Object.fromEntries(commands),
      states: Object.fromEntries(states),
    });
    return undefined;
  },
  boot(daemon, _session, { options, answer }) {
    if (!daemon.bootable) return 'this daemon was not started with --bootable';
    if (daemon.sessionCount > 1) return 'other sessions use the machine';
    const fault = bootFault(options);
    if (fault !== undefined) return fault;
    try {
      daemon.host.reboot(options as Partial<MachineOptions>);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return error.message;
    }
    answer(daemon.info());
    return undefined;
  },
  /** What a client says before it leaves, so that its processes need not be waited for. */
  end(_daemon, session) {
    session.hangUp();
    return undefined;
  },
  trace(daemon, session, { options, answer }) {
    const filter = parseFilter(options);
    if (typeof filter === 'string') return filter;
    daemon.feed.add(session, filter);
    answer({});
    return undefined;
  },
  untrace(daemon, session, { answer }) {
    daemon.feed.remove(session);
    answer({});
    return undefined;
  },
};

const MAX_BOOT_BYTES = 2 ** 32;

/** What is wrong with the options of a machine, as far as their types go. */
function bootFault(options: WireMap): string | undefined {
  const defaults: Readonly<Record<string, unknown>> = { ...DEFAULT_MACHINE_OPTIONS };
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(defaults, name))
      return `a machine has no option ${name}; it has ${Object.keys(defaults).join(', ')}`;
    const kind = typeof defaults[name];
    if (typeof value !== kind || value === null)
      return `${name} is ${JSON.stringify(value)}, not ${KIND_WORDS[kind] ?? kind}`;
    if (typeof value === 'number' && !(Number.isInteger(value) && value >= 0 && value <= MAX_BOOT_BYTES))
      return `${name} is ${value}, not a whole number from 0 to ${MAX_BOOT_BYTES}`;
  }
  return undefined;
}

const KIND_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  boolean: 'true or false',
  object: 'a map',
};
