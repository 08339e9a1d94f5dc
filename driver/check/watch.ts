import type { CommandName } from '../../uapi/dialect.js';
import { HMM_DMIRROR_CMD_BYTES } from '../../uapi/hmm-dmirror.js';
import * as mman from '../../uapi/mman.js';
import type { CallArg, CallResult } from '../../uapi/system-call.js';
import type { Command } from '../dmirror/index.js';
import { MemFile } from '../sys/files/proc/mm-files.js';
import type { Machine } from '../sys/machine/machine.js';
import { MachineError } from '../sys/machine/machine-error.js';
import type { Process } from '../sys/processes/process.js';
import { Arena } from './arena.js';
import { contentOf, rightsOf, ZERO_PAGE } from './content.js';
import { type IoctlFill, ioctlFill } from './ioctl-fills.js';
import { ContentError, Shadow } from './shadow.js';
import type { Violation } from './violation.js';

const PAGE_SIZE = 4096;

/** A command as the device has read it. */
interface DeviceCall {
  readonly name: CommandName;
  readonly owner: Process;
  readonly addr: number;
  readonly end: number;
  readonly ptr: number;
  readonly npages: number;
}

/** One call that is on its way, as it was issued. */
export interface Watched {
  readonly tid: number;
  readonly pid: number;
  readonly name: string;
  readonly args: readonly CallArg[];
  /** Null: no command of a device, or not one yet. */
  device: DeviceCall | null;
  readonly rights: (ReturnType<typeof rightsOf> | null)[];
  isRacy: boolean;
}

const MIGRATIONS: ReadonlySet<string> = new Set(['MIGRATE_TO_DEV', 'MIGRATE_TO_SYS', 'MIGRATE_ON_FAULT_TO_DEV']);
const FILLS_PTR: ReadonlySet<string> = new Set(['READ', 'MIGRATE_TO_DEV', 'MIGRATE_ON_FAULT_TO_DEV', 'EXCLUSIVE']);

/** Follows the calls of one machine, keeps the shadow copy, and looks for what must not be after each of them. */
export class Watch {
  readonly violations: Violation[] = [];
  /** Text of each call and its result, for a trace. */
  onResult: ((call: Watched, result: CallResult) => void) | null = null;
  private readonly shadow: Shadow;
  private provedFaults = 0;
  private readonly warned = new Map<string, number>();
  private readonly inFlight = new Set<Watched>();

  constructor(
    readonly machine: Machine,
    readonly arena = new Arena(),
  ) {
    this.shadow = new Shadow(machine, arena);
    machine.onCommand = (name, command) => this.commanded(name, command);
  }

  /** A call is about to be issued. */
  before(tid: number, name: string, args: readonly CallArg[]): Watched {
    const pid = this.machine.threadByTid(tid)?.process.pid ?? 0;
    const call: Watched = { tid, pid, name, args, device: null, rights: [], isRacy: this.inFlight.size > 0 };
    if (call.isRacy) for (const other of this.inFlight) other.isRacy = true;
    this.inFlight.add(call);
    return call;
  }

  /** The running task's call turns out to be a command of a device, which is about to run. */
  private commanded(name: CommandName, { file, addr, end, ptr, npages }: Command): void {
    const { current } = this.machine.kernel.scheduler;
    const isOfTask = ({ tid, device }: Watched): boolean =>
      device === null && this.machine.threadByTid(tid)?.task === current;
    const waiting = [...this.inFlight].filter(isOfTask);
    const running = waiting.length === 0 ? null : this.machine.threadByTid(waiting[0]!.tid)!.currentCall;
    const call = waiting.find(({ args }) => running !== null && areSame(args, running.args));
    const owner = this.machine.allProcesses().find(({ mm }) => mm === file.mm);
    if (call === undefined || owner === undefined) return;
    call.device = { name, owner, addr, end, ptr, npages };
    if (!MIGRATIONS.has(name) || npages >= 4096) return;
    for (let i = 0; i < npages; i++) call.rights.push(rightsOf(file.mm, addr / PAGE_SIZE + i));
  }

  /** The call is done; what it says goes into the shadow copy, which is then compared. */
  after(call: Watched, result: CallResult): void {
    this.inFlight.delete(call);
    this.onResult?.(call, result);
    if (this.violations.length > 0) return;
    const label = call.device === null ? call.name : call.device.name;
    try {
      if (call.device !== null) this.afterDevice(call, call.device, result);
      else this.afterCall(call, result);
      this.proveAfterFault();
      // What others have done meanwhile is not in the shadow copy yet.
      if (this.inFlight.size > 0 || call.device === null) return;
      const { owner, addr, end, ptr, npages } = call.device;
      const limit = Math.min(end, addr + 4096 * PAGE_SIZE);
      this.shadow.check({ pid: owner.pid, start: addr, end: limit });
      const first = ptr - (ptr % PAGE_SIZE);
      if (ptr !== 0)
        this.shadow.check({ pid: call.pid, start: first, end: first + Math.min(npages, 4096) * PAGE_SIZE });
      this.checkRights(call, call.device);
    } catch (error) {
      this.caught(error, label);
    }
  }

  /** A program has filled memory of its own by other means than a call. */
  poked(pid: number, addr: number, bytes: Uint8Array): void {
    this.shadow.stored(pid, addr, bytes);
  }

  /** Its answer will never come, and the process that asked is gone, or nobody knows what it has. */
  lost(call: Watched): void {
    this.inFlight.delete(call);
    this.shadow.gone(call.pid);
  }

  /** The whole machine's books, after each call in which a fault struck. */
  private proveAfterFault(): void {
    const { inject, scheduler } = this.machine.kernel;
    if (inject.fired.length === this.provedFaults || scheduler.busyCount > 0) return;
    this.provedFaults = inject.fired.length;
    this.machine.checkInvariants();
  }

  /** Everything at once: the shadow copy and the machine's own books. */
  checkAll(after: string): void {
    this.check(after, () => this.shadow.check());
  }

  /** What can be seen without looking at every page that programs have: what the kernel warns of, and the machine's own books. */
  checkBooks(after: string): void {
    this.check(after, () => {});
  }

  private check(after: string, also: () => void): void {
    if (this.violations.length > 0 || this.machine.kernel.scheduler.busyCount > 0) return;
    try {
      this.checkWarnings(after);
      also();
      this.machine.checkInvariants();
    } catch (error) {
      this.caught(error, after);
    }
  }

  /** What the kernel has warned of since the last time. */
  private checkWarnings(after: string): void {
    for (const [what, count] of this.machine.kernel.warnings) {
      if (count === this.warned.get(what)) continue;
      this.warned.set(what, count);
      this.violated('warning', `WARNING: ${what}`, { after });
    }
  }

  violated(kind: string, message: string, { after, addr = -1 }: { after: string; addr?: number }): void {
    this.violations.push({ kind, message, addr, after });
  }

  /** An error of a check, or of the machine itself. */
  caught(error: unknown, after: string): void {
    if (error instanceof ContentError) {
      this.violated('content', error.message, { after, addr: error.addr });
      return;
    }
    const line = error instanceof Error ? error.message.split('\n')[0]! : String(error);
    const message = error instanceof MachineError ? error.summary : line;
    const pfn = /\b(?:pfn|folio) (\d+)/.exec(message);
    const named = addressIn(message);
    const found = named < 0 && pfn !== null ? this.shadow.findFrame(Number(pfn[1])) : null;
    const where = found === null ? '' : `; it is page 0x${found.addr.toString(16)} of process ${found.pid}`;
    this.violated(/AssertionError/.test(message) ? 'books' : 'machine', `${message}${where}`, {
      after,
      addr: found?.addr ?? named,
    });
  }

  private afterDevice(call: Watched, device: DeviceCall, { ret }: CallResult): void {
    const { shadow } = this;
    const { name, owner, addr, ptr, npages } = device;
    if (call.name === 'ioctl') shadow.unknown(call.pid, call.args[2] as number, HMM_DMIRROR_CMD_BYTES);
    if (npages > 1 << 20) return;
    const sizeBytes = npages * PAGE_SIZE;
    if (name === 'SNAPSHOT') shadow.unknown(call.pid, ptr, npages);
    else if (name === 'WRITE' && call.isRacy) shadow.unknown(owner.pid, addr, sizeBytes);
    else if (name === 'WRITE')
      shadow.copied({ pid: call.pid, addr: ptr }, { pid: owner.pid, addr }, { npages, isPartial: ret !== 0 });
    else if (FILLS_PTR.has(name) && (ret !== 0 || call.isRacy)) shadow.unknown(call.pid, ptr, sizeBytes);
    else if (FILLS_PTR.has(name))
      shadow.copied({ pid: owner.pid, addr }, { pid: call.pid, addr: ptr }, { npages, isPartial: false });
  }

  private afterCall(call: Watched, { ret, bytes, signal }: CallResult): void {
    const { shadow } = this;
    const { pid, args } = call;
    const [a, b, c, d, e] = args as number[];
    const range = { start: a!, end: a! + Math.ceil((typeof b === 'number' ? b : 0) / PAGE_SIZE) * PAGE_SIZE };
    switch (call.name) {
      case 'mmap':
        if (ret >= 0) shadow.mapped(pid, { start: ret, end: ret + (range.end - range.start) }, { flags: d! });
        break;
      case 'munmap':
        if (ret === 0) shadow.unmapped(pid, range);
        else shadow.unknown(pid, a!, b!);
        break;
      case 'mremap':
        if (ret < 0) shadow.unknown(pid, a!, b!);
        else shadow.moved(pid, range, { start: ret, end: ret + c! }, (d! & mman.MREMAP_DONTUNMAP) !== 0);
        break;
      case 'madvise':
        this.advised(pid, range, { advice: c!, ret });
        break;
      case 'store':
        if (call.isRacy || ret < 0) shadow.unknown(pid, a!, (args[1] as Uint8Array).length);
        else shadow.stored(pid, a!, (args[1] as Uint8Array).subarray(0, ret));
        break;
      case 'load':
        if (!call.isRacy && ret >= 0 && bytes !== undefined) shadow.checkLoad(pid, a!, bytes);
        if (signal?.signo === 9) shadow.gone(pid);
        break;
      case 'fork':
        if (ret > 0 && !call.isRacy) shadow.forked(pid, ret);
        break;
      case 'ioctl':
        shadow.unknown(pid, c!, PAGE_SIZE);
        break;
      case 'ioctlBytes':
        this.filled(call, ioctlFill(b!, args[2] as Uint8Array), ret);
        break;
      case 'pwrite':
        if (this.machine.process(pid)?.files.get(a!) instanceof MemFile)
          shadow.stored(pid, c!, (args[1] as Uint8Array).subarray(0, Math.max(ret, 0)));
        break;
      case 'exit':
      case 'execve':
        shadow.gone(pid);
        break;
      default:
        if (typeof e === 'string') shadow.gone(pid);
    }
  }

  /** Pages that came otherwise than by a store. */
  private filled({ pid, isRacy }: Watched, fill: IoctlFill | null, ret: number): void {
    if (fill === null) return;
    const { shadow } = this;
    const { to, from, moves } = fill;
    const sizeBytes = to.end - to.start;
    if (ret === 0 && !isRacy && from !== null) {
      if (moves) shadow.moved(pid, from, to, true);
      else
        shadow.copied(
          { pid, addr: from.start },
          { pid, addr: to.start },
          { npages: sizeBytes / PAGE_SIZE, isPartial: false },
        );
      return;
    }
    shadow.unknown(pid, to.start, sizeBytes);
    if (moves) shadow.unknown(pid, from!.start, sizeBytes);
  }

  private advised(
    pid: number,
    range: { start: number; end: number },
    { advice, ret }: { advice: number; ret: number },
  ): void {
    const { shadow } = this;
    const sizeBytes = range.end - range.start;
    if (advice === mman.MADV_DONTNEED || advice === mman.MADV_DONTNEED_LOCKED) {
      if (ret === 0) shadow.zapped(pid, range);
      else shadow.unknown(pid, range.start, sizeBytes);
    } else if (advice === mman.MADV_FREE || advice === mman.MADV_REMOVE || advice >= 100) {
      shadow.unknown(pid, range.start, sizeBytes);
    } else if (advice === mman.MADV_DONTFORK) shadow.onFork(pid, range, 'none');
    else if (advice === mman.MADV_WIPEONFORK) shadow.onFork(pid, range, 'zero');
    else if (advice === mman.MADV_DOFORK || advice === mman.MADV_KEEPONFORK) shadow.onFork(pid, range, 'copy');
  }

  /** A migration moves pages; whether they may be written and are dirty stays as it was. */
  private checkRights(call: Watched, { owner, addr }: DeviceCall): void {
    if (call.isRacy) return;
    for (let i = 0; i < call.rights.length; i++) {
      const before = call.rights[i];
      const now = before == null ? null : rightsOf(owner.mm, addr / PAGE_SIZE + i);
      if (before == null || now === null) continue;
      const at = addr + i * PAGE_SIZE;
      // A split replaces pages full of zeroes by holes, which lose nothing.
      const isDirtyLost = before.dirty && !now.dirty && !contentOf(owner.mm, at / PAGE_SIZE)?.equals(ZERO_PAGE);
      const lost = before.write && !now.write ? 'write permission' : isDirtyLost ? 'dirty mark' : '';
      if (lost !== '')
        this.violated('rights', `page 0x${at.toString(16)} (page ${i} of the call) lost its ${lost}`, {
          after: call.device!.name,
          addr: at,
        });
      if (lost !== '') return;
    }
  }
}

/** The same arguments, though they may have come over a socket. */
function areSame(some: readonly CallArg[], others: readonly CallArg[]): boolean {
  const isSame = (arg: CallArg, i: number): boolean => {
    const other = others[i];
    const areBytes = arg instanceof Uint8Array && other instanceof Uint8Array;
    return arg === other || (areBytes && Buffer.compare(arg, other) === 0);
  };
  return some === others || (some.length === others.length && some.every(isSame));
}

function addressIn(message: string): number {
  const found = /entry at 0x([0-9a-f]+)/.exec(message);
  if (found !== null) return Number.parseInt(found[1]!, 16);
  const vpn = /(?:vpn (\d+)|of page 0x([0-9a-f]+))/.exec(message);
  if (vpn === null) return -1;
  return (vpn[1] !== undefined ? Number(vpn[1]) : Number.parseInt(vpn[2]!, 16)) * PAGE_SIZE;
}
