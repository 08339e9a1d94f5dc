import type { Control } from '../../driver/daemon/controls.js';
import type { Session } from '../../driver/daemon/session.js';
import { ElfError, type GuestHost, GuestSystem, hangReport } from '../../driver/guest/index.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import { dialectByName } from '../../uapi/dialect.js';
import type { WireMap } from '../../uapi/wire/message.js';

/** Bytes of output that one event carries. */
const EVENT_BYTES = 65536;
const MAX_STRINGS = 4096;

interface ExecMessage {
  readonly path: string;
  readonly bytes: Uint8Array;
  readonly argv: readonly string[];
  readonly envp: readonly string[];
  /** All of its standard input. */
  readonly input: Uint8Array;
  readonly strace: boolean;
  readonly dialect: string;
}

/** The control requests about programs. */
export function execControls(): { readonly exec: Control; readonly 'exec-report': Control } {
  const systems = new WeakMap<Machine, GuestSystem>();
  return { exec: execControl(systems), 'exec-report': reportControl(systems) };
}

/**
 * Runs a program on the served machine, as a process of the session. The answer is its pid; what it writes, its reports
 * and its end come as events.
 */
function execControl(systems: WeakMap<Machine, GuestSystem>): Control {
  return (daemon, session, { options, answer }) => {
    const message = readMessage(options, session.dialect);
    if (typeof message === 'string') return message;
    session.assertRoom();
    const { machine } = daemon.host;
    const system = systems.get(machine) ?? new GuestSystem(machine);
    systems.set(machine, system);
    try {
      const process = system.spawn(message, sessionHost(session, message, daemon.limits.unsentBytes));
      process.owner = session.id;
      process.onExit = (status) => session.sendEvents([{ kind: 'exit', pid: process.pid, status }], 0);
      answer({ pid: process.pid });
      return undefined;
    } catch (error) {
      if (error instanceof ElfError) return error.message;
      throw error;
    }
  };
}

/** What the threads of the session's programs do or wait for. */
function reportControl(systems: WeakMap<Machine, GuestSystem>): Control {
  return (daemon, session, { answer }) => {
    const system = systems.get(daemon.host.machine);
    answer({ text: system === undefined ? '' : hangReport(system, session.id) });
    return undefined;
  };
}

function readMessage(options: WireMap, sessionDialect: string): ExecMessage | string {
  const { path, bytes, argv, envp, input = new Uint8Array(), strace = false, dialect = sessionDialect } = options;
  if (typeof path !== 'string' || !path.startsWith('/')) return 'path is not an absolute path';
  if (!(bytes instanceof Uint8Array) || !(input instanceof Uint8Array)) return 'bytes or input is not bytes';
  if (!isStrings(argv) || !isStrings(envp)) return 'argv or envp is not a list of texts';
  if (typeof dialect !== 'string' || dialectByName(dialect) === undefined) {
    return `there is no dialect ${String(dialect)}`;
  }
  // What came in a frame is only borrowed.
  return { path, bytes: bytes.slice(), argv, envp, input: input.slice(), strace: strace === true, dialect };
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.length <= MAX_STRINGS && value.every((item) => typeof item === 'string');
}

function sessionHost(session: Session, { input, strace }: ExecMessage, maxUnsentBytes: number): GuestHost {
  let left = input;
  const isFull = () => session.unsentBytes > maxUnsentBytes;
  // A program that makes them without end is not held up by a reader that is too slow for them.
  const report = (event: WireMap) => void (isFull() || session.sendEvents([event], 0));
  return {
    write(fd, bytes) {
      for (let at = 0; at < bytes.length; at += EVENT_BYTES) {
        session.sendEvents([{ kind: 'output', fd, bytes: bytes.slice(at, at + EVENT_BYTES) }], 0);
      }
    },
    read(lenBytes) {
      const chunk = left.subarray(0, lenBytes);
      left = left.subarray(chunk.length);
      return chunk;
    },
    isFull,
    isTerminal: () => false,
    strace: strace ? (text) => session.sendEvents([{ kind: 'strace', text }], 0) : null,
    crashed: (text) => report({ kind: 'crash', text }),
    unsupported: (text) => report({ kind: 'unsupported', text }),
    // A program of the session sees nothing of the server's files.
    program: () => null,
  };
}
