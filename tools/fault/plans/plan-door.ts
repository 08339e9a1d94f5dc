import type { Watch, Watched } from '../../../driver/check/index.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import type { Process } from '../../../driver/sys/processes/process.js';
import type { Thread } from '../../../driver/sys/processes/thread.js';
import { commandByNumber, dialectByName } from '../../../uapi/dialect.js';
import { decodeCommand } from '../../../uapi/hmm-dmirror.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import { REQUEST } from '../../../uapi/wire/message.js';
import { NO_CALL, type Served } from '../wire/served.js';
import type { FrameInfo } from '../wire/wire-rules.js';

/** A call as a program makes it. */
export interface DoorCall {
  readonly thread: Thread;
  readonly name: string;
  readonly args: CallArg[];
}

/** A call that was made. */
export interface Issued {
  /** Null as long as there is none, or when it will never come. */
  readonly result: CallResult | null;
  /** Code of the protocol error that came for it; null without one. */
  readonly error: string | null;
}

/** How the calls of a plan reach the machine. */
export interface Door {
  newProcess(session: string): { process: Process | null; error: string | null };
  issue(call: DoorCall): Issued;
  /** Until nothing can go on by itself. */
  run(): void;
}

/** Into the machine. */
export class DirectDoor implements Door {
  private readonly finished: { watched: Watched; result: CallResult }[] = [];

  constructor(
    private readonly machine: Machine,
    private readonly watch: Watch,
  ) {}

  newProcess(): { process: Process; error: null } {
    return { process: this.machine.createProcess(), error: null };
  }

  issue({ thread, name, args }: DoorCall): Issued {
    const watched = this.watch.before(thread.tid, name, args);
    const call = this.machine.start(thread, name, args);
    if (call.done) this.watch.after(watched, call.result!);
    else call.onDone = (result) => void this.finished.push({ watched, result });
    return {
      get result() {
        return call.result ?? null;
      },
      error: null,
    };
  }

  run(): void {
    try {
      this.machine.run();
    } catch (error) {
      this.watch.caught(error, 'a run of the machine');
    }
    this.settle();
  }

  /** Looks at what has come back. */
  settle(): void {
    for (const { watched, result } of this.finished.splice(0)) this.watch.after(watched, result);
  }
}

/** Through the frames of sessions. */
export class ServedDoor implements Door {
  private readonly finished: (() => void)[] = [];

  constructor(
    private readonly served: Served,
    private readonly watch: Watch,
  ) {}

  newProcess(name: string): { process: Process | null; error: string | null } {
    const session = this.served.sessions.get(name)!;
    const asked = this.served.ask(session, { ...NO_CALL, command: 'process' }, (id) => [REQUEST.process, id]);
    this.run();
    return { process: this.served.machine.process(asked.result?.ret ?? -1), error: asked.error };
  }

  issue(call: DoorCall): Issued {
    const { thread, name, args } = call;
    const session = this.served.sessionOf(thread.process);
    if (session === null) return LOST;
    const watched = this.watch.before(thread.tid, name, args);
    const asked = this.served.ask(session, frameInfo(call), (id) => [REQUEST.call, id, thread.tid, name, args]);
    const over = (): void => void this.finished.push(() => this.over(watched, asked.result));
    if (asked.isOver) over();
    else asked.onOver = over;
    return asked;
  }

  run(): void {
    if (!this.served.run()) this.watch.violated('stuck', 'the machine never comes to rest', { after: 'a frame' });
    for (const end of this.finished.splice(0)) end();
    for (const failure of this.served.failures.splice(0)) this.watch.violated('machine', failure, { after: 'a frame' });
  }

  private over(watched: Watched, result: CallResult | null): void {
    if (result !== null) this.watch.after(watched, result);
    else this.watch.lost(watched);
  }
}

/** A call of a process whose session is over. */
const LOST: Issued = { result: null, error: 'disconnected' };

/** What a frame says by itself: a record that is in memory is read by the kernel, and by nobody before. */
function frameInfo({ thread, name, args }: DoorCall): Omit<FrameInfo, 'number' | 'session'> {
  const [first, second, third, fourth] = args;
  const base = { ...NO_CALL, pid: thread.process.pid, tid: thread.tid, command: name };
  const opened = name.startsWith('ioctl') || name === 'close' ? thread.process.files.get(first as number) : null;
  if (opened !== null && 'dmirror' in opened) {
    const { dmirror, dialect } = opened as unknown as {
      dmirror: { id: number; device: { minor: number } };
      dialect: string;
    };
    const spoken = dialectByName(String(fourth ?? dialect));
    const command = spoken === undefined ? undefined : commandByNumber(spoken, second as number);
    const record = third instanceof Uint8Array && command !== undefined ? decodeCommand(viewOf(third)) : -1;
    const range = typeof record === 'number' ? {} : { addr: record.addr, end: record.end };
    const file = { file: dmirror.id, device: dmirror.device.minor, dialect: spoken?.id ?? String(fourth ?? dialect) };
    return { ...base, ...file, command: command ?? name, ...range };
  }
  if (typeof first !== 'number' || !ABOUT_MEMORY.has(name)) return base;
  const sizeBytes = second instanceof Uint8Array ? second.length : Number(second);
  return { ...base, addr: first, end: first + sizeBytes };
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

const ABOUT_MEMORY: ReadonlySet<string> = new Set(['load', 'store', 'mmap', 'munmap', 'mprotect', 'madvise', 'mremap']);
