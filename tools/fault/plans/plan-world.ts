import { Watch } from '../../../driver/check/index.js';
import type { Coroutine } from '../../../driver/core/effect.js';
import { preemptPoint } from '../../../driver/core/effect.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import type { Process } from '../../../driver/sys/processes/process.js';
import type { Thread } from '../../../driver/sys/processes/thread.js';
import { type CommandName, commandNumber, DEFAULT_DIALECT, dialectByName } from '../../../uapi/dialect.js';
import { O_CREAT, O_RDWR } from '../../../uapi/fcntl.js';
import { encodePinLongtermTest, PIN_LONGTERM_TEST_START, PIN_LONGTERM_TEST_STOP } from '../../../uapi/gup-test.js';
import { encodeHmmDmirrorCmd } from '../../../uapi/hmm-dmirror.js';
import * as mman from '../../../uapi/mman.js';
import { SIGKILL } from '../../../uapi/signal.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import type { Served } from '../wire/served.js';
import type { ServedSession } from '../wire/served-session.js';
import { DirectDoor, type Door, type DoorCall, type Issued, ServedDoor } from './plan-door.js';
import { pagesOf } from './plan-parts.js';
import type { Step } from './plan-schema.js';
import { ADVICE, COMMANDS, MAIN_SESSION, madeBy, PROTECTION } from './plan-words.js';

const PAGE_SIZE = mman.PAGE_SIZE;
const HUGE_SIZE = mman.PMD_SIZE;
const MAP_BASE = 0x1000000000;
const MAP_STRIDE = 0x40000000;
const ACTION_POINT = preemptPoint('fault action');
const GUP_PATH = '/sys/kernel/debug/gup_test';

/** A mistake that only shows when names are looked up: the step and what it lacks. */
export class PlanNameError extends Error {
  override readonly name = 'PlanNameError';
}

/** What a step names was to be made by an earlier one, and that one failed. */
export class LostNameError extends Error {
  override readonly name = 'LostNameError';
}

interface Mapping {
  readonly process: string;
  readonly addr: number;
  readonly npages: number;
  /** Where commands on it store and fetch data. */
  readonly mirror: number;
}

interface OpenDevice {
  readonly process: string;
  readonly fd: number;
  readonly dialect: string;
  /** Id of the open file, as fault rules know it. */
  readonly file: number;
}

/** A call that a step makes. */
export interface StepCall extends DoorCall {
  /** Registers what the call has made. */
  done?(result: CallResult): void;
}

/** The machine of one plan run, with the names of what its steps made. */
export class PlanWorld {
  readonly watch: Watch;
  readonly processes = new Map<string, Process>();
  readonly maps = new Map<string, Mapping>();
  readonly devices = new Map<string, OpenDevice>();
  private readonly gupFds = new Map<string, number>();
  /** Names of what steps failed to make. */
  private readonly lost = new Set<string>();
  private readonly door: Door;
  /** Of what is done inside the kernel. */
  private readonly direct: DirectDoor;

  constructor(
    readonly machine: Machine,
    readonly served: Served | null = null,
  ) {
    this.watch = new Watch(machine);
    this.direct = new DirectDoor(machine, this.watch);
    this.door = served === null ? this.direct : new ServedDoor(served, this.watch);
  }

  /** The process of that name; `p` is there from the start. */
  process(name = 'p'): Process {
    const process = this.processes.get(name);
    if (process !== undefined) return process;
    if (name === 'p' && !this.lost.has(name)) {
      this.newProcess(name, MAIN_SESSION);
      return this.process(name);
    }
    throw this.missing('process', name);
  }

  private newProcess(name: string, session: string): Issued {
    if (this.served !== null) this.session(session);
    const { process, error } = this.door.newProcess(session);
    if (process === null) {
      this.lose(name);
      return { result: null, error };
    }
    this.processes.set(name, process);
    return answered(process.pid);
  }

  /** The step that was to make this has failed: who asks for it later has lost it, too. */
  lose(name: string): void {
    this.lost.add(name);
  }

  private missing(what: string, name: string): Error {
    if (this.lost.has(name)) return new LostNameError(`${what} '${name}' could not be made`);
    return new PlanNameError(`there is no ${what} '${name}' yet`);
  }

  session(name = MAIN_SESSION): ServedSession {
    const session = this.served?.sessions.get(name);
    if (session === undefined) throw this.missing('session', name);
    return session;
  }

  map(name: string | undefined): Mapping {
    const found = name === undefined && this.maps.size === 1 ? [...this.maps.values()][0] : this.maps.get(name ?? '');
    if (found === undefined) throw this.missing('mapping', name ?? '');
    return found;
  }

  device(name: string | undefined): OpenDevice {
    const found = name === undefined ? [...this.devices.values()][0] : this.devices.get(name);
    if (found === undefined) throw this.missing('open device', name ?? '');
    return found;
  }

  /** Address and size of what a step is about. */
  range({ on, pages }: { on?: string; pages?: number | string }): { addr: number; npages: number; mirror: number } {
    const { addr, npages, mirror } = this.map(on);
    if (pages === undefined) return { addr, npages, mirror };
    const [first, last] = pagesOf(pages);
    return { addr: addr + first * PAGE_SIZE, npages: last - first + 1, mirror: mirror + first * PAGE_SIZE };
  }

  /** Issues a call and runs the machine until nothing can go on. */
  sync(call: DoorCall): Issued {
    const issued = this.issue(call);
    this.run();
    return issued;
  }

  issue(call: DoorCall): Issued {
    return this.door.issue(call);
  }

  run(): void {
    this.door.run();
    this.direct.settle();
  }

  /** Runs a call of somebody else's from inside the kernel, until it is done or can't go on. */
  *act(call: DoorCall): Coroutine<void> {
    const issued = this.direct.issue(call);
    const { task } = call.thread;
    while (issued.result === null && task.state !== 'blocked' && task.state !== 'sleeping') yield ACTION_POINT;
  }

  /** The call of a step that makes one. */
  callOf(step: Step, thread: Thread): StepCall {
    const call = (name: string, ...args: CallArg[]): StepCall => ({ thread, name, args });
    if ((COMMANDS as readonly string[]).includes(step.do)) return this.command(step, thread);
    const { do: verb, on, pages } = step;
    if (verb === 'kill') return call('kill', this.process(step.name).pid, SIGKILL);
    if (verb === 'exit') return call('exit', 0);
    if (verb === 'wait') return call('wait', -1);
    if (verb === 'khugepaged') return call('khugepaged');
    if (verb === 'close') return call('close', this.device(step.device).fd);
    if (verb === 'unpin') return call('ioctl', this.gupFd(thread), PIN_LONGTERM_TEST_STOP, 0);
    if (verb === 'fork')
      return {
        ...call('fork'),
        done: ({ ret }) => ret > 0 && this.processes.set(madeBy(step), this.machine.process(ret)!),
      };
    const { addr, npages } = this.range({
      ...(on === undefined ? {} : { on }),
      ...(pages === undefined ? {} : { pages }),
    });
    const size = npages * PAGE_SIZE;
    switch (verb) {
      case 'unmap':
        return call('munmap', addr, size);
      case 'protect':
        return call('mprotect', addr, size, PROTECTION[step.prot ?? 'r']!);
      case 'advise':
        return call('madvise', addr, size, ADVICE[step.advice ?? 'dontneed']!);
      case 'move':
        return call('mremap', addr, size, size, mman.MREMAP_MAYMOVE | mman.MREMAP_FIXED, addr + MAP_STRIDE / 4);
      case 'store':
        return call('store', addr, pattern(step.value ?? 100, { on: this.map(on).addr, addr, npages }));
      case 'load':
        return call('load', addr, size);
      case 'pin':
        return call(
          'ioctlBytes',
          this.gupFd(thread),
          PIN_LONGTERM_TEST_START,
          encodePinLongtermTest({ addr, size, flags: 1 }),
        );
      default:
        throw new PlanNameError(`'${verb}' makes no single call, so it can't be done here`);
    }
  }

  /** Steps that prepare something, with as many calls as that takes. Null for one that makes a single call. */
  prepare(step: Step): Issued | null {
    switch (step.do) {
      case 'process':
        return this.newProcess(madeBy(step), step.session ?? MAIN_SESSION);
      case 'session':
        return this.openSession(step);
      case 'drop':
        this.dropSession(step.session);
        this.run();
        return answered(0);
      case 'open':
        return this.open(step);
      default:
        return step.do === 'map' ? this.mapStep(step) : null;
    }
  }

  /** Its client goes without a word. */
  dropSession(name?: string): void {
    const session = this.session(name);
    session.isStruck = true;
    session.drop();
  }

  /** Of the session whose process makes a step's call. */
  sessionNameOf(step: Step): string {
    const { process, device, on, do: verb } = step;
    if (verb === 'session') return madeBy(step);
    const byDevice = device === undefined ? undefined : this.device(device).process;
    const owner = process ?? byDevice ?? (on === undefined ? 'p' : this.map(on).process);
    return this.served?.sessionOf(this.process(owner))?.name ?? MAIN_SESSION;
  }

  private openSession(step: Step): Issued {
    const { dialect } = step;
    if (this.served === null) throw new PlanNameError('there are no sessions without a served machine');
    const session = this.served.open(madeBy(step), dialect === undefined ? {} : { dialect });
    const error = session.isOver ? (session.goodbye ?? 'disconnected') : null;
    return { result: session.id < 0 ? null : { ret: session.id }, error };
  }

  private open(step: Step): Issued {
    const processName = step.process ?? 'p';
    const process = this.process(processName);
    const { minor = 0, dialect = DEFAULT_DIALECT } = step;
    process.dialect = dialect;
    const issued = this.sync({ thread: process.main, name: 'open', args: [`/dev/hmm_dmirror${minor}`, O_RDWR, 0] });
    const fd = issued.result?.ret ?? -1;
    const file = fd < 0 ? null : (process.files.get(fd) as unknown as { dmirror: { id: number } });
    if (file !== null) this.devices.set(madeBy(step), { process: processName, fd, dialect, file: file.dmirror.id });
    else this.lose(madeBy(step));
    // The first ioctl of a thread maps its scratch page; done here, it is out of every rule's way.
    if (fd >= 0) this.sync({ thread: process.main, name: 'ioctlBytes', args: [fd, 0, new Uint8Array(40)] });
    return issued;
  }

  private mapStep(step: Step): Issued {
    const processName = step.process ?? 'p';
    const thread = this.process(processName).main;
    const npages = typeof step.pages === 'number' ? step.pages : step.huge ? 512 : 8;
    const size = step.huge ? Math.ceil((npages * PAGE_SIZE) / HUGE_SIZE) * HUGE_SIZE : npages * PAGE_SIZE;
    const addr = MAP_BASE + this.maps.size * MAP_STRIDE;
    const mirror = addr + MAP_STRIDE / 2;
    const sharing = step.shared ? mman.MAP_SHARED : mman.MAP_PRIVATE;
    const fd = step.file ? this.tmpFile(thread, size) : -1;
    const flags = (step.file ? 0 : mman.MAP_ANONYMOUS) | sharing | mman.MAP_FIXED;
    const issued = this.sync({
      thread,
      name: 'mmap',
      args: [addr, size, PROTECTION[step.prot ?? 'rw']!, flags, fd, 0],
    });
    const shared = mman.MAP_SHARED | mman.MAP_ANONYMOUS | mman.MAP_FIXED;
    this.sync({ thread, name: 'mmap', args: [mirror, size, PROTECTION.rw!, shared, -1, 0] });
    this.sync({ thread, name: 'store', args: [mirror, new Uint8Array(size)] });
    if (step.huge) this.sync({ thread, name: 'madvise', args: [addr, size, mman.MADV_HUGEPAGE] });
    this.maps.set(madeBy(step), { process: processName, addr, npages, mirror });
    return issued;
  }

  private tmpFile(thread: Thread, size: number): number {
    const path = `/tmp/plan${this.maps.size}`;
    const fd = this.sync({ thread, name: 'open', args: [path, O_RDWR | O_CREAT, 0o600] }).result?.ret ?? -1;
    this.sync({ thread, name: 'ftruncate', args: [fd, size] });
    return fd;
  }

  private command(step: Step, thread: Thread): StepCall {
    const device = this.device(step.device);
    const dialect = dialectByName(step.dialect ?? device.dialect);
    if (dialect === undefined) throw new PlanNameError(`there is no dialect '${step.dialect}'`);
    const number = commandNumber(dialect, step.do.toUpperCase() as CommandName);
    if (number === undefined) throw new PlanNameError(`dialect ${dialect.id} has no ${step.do.toUpperCase()}`);
    const { addr, npages, mirror } = this.range(step);
    const args: CallArg[] = [device.fd, number, encodeHmmDmirrorCmd({ addr, npages, ptr: mirror }), dialect.id];
    return { thread, name: 'ioctlBytes', args };
  }

  private gupFd(thread: Thread): number {
    const key = String(thread.process.pid);
    let fd = this.gupFds.get(key);
    if (fd === undefined) {
      fd = this.sync({ thread, name: 'open', args: [GUP_PATH, O_RDWR, 0] }).result?.ret ?? -1;
      this.gupFds.set(key, fd);
    }
    return fd;
  }
}

function answered(ret: number): Issued {
  return { result: { ret }, error: null };
}

/** Bytes in which every word of page i of the mapping is `value + i`. */
export function pattern(value: number, { on, addr, npages }: { on: number; addr: number; npages: number }): Uint8Array {
  const words = new Uint32Array((npages * PAGE_SIZE) / 4);
  const first = (addr - on) / PAGE_SIZE;
  for (let i = 0; i < npages; i++) words.fill(value + first + i, (i * PAGE_SIZE) / 4, ((i + 1) * PAGE_SIZE) / 4);
  return new Uint8Array(words.buffer);
}
