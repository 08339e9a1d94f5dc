import { checkTouched } from '../../driver/mm/invariants.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import type { Thread } from '../../driver/sys/processes/thread.js';
import { type CommandName, commandNumber, dialectByName } from '../../uapi/dialect.js';
import { O_RDWR } from '../../uapi/fcntl.js';
import { decodeResult, encodeHmmDmirrorCmd } from '../../uapi/hmm-dmirror.js';
import { MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from '../../uapi/mman.js';
import type { CallArg } from '../../uapi/system-call.js';

const PAGE_BYTES = 4096;
const HUGE_BYTES = 2 * 1024 * 1024;
const STORE_BYTES = 1024 * 1024;

/** A process with /dev/hmm_dmirror0 open and memory to move, driven through the table of system calls. */
export class DeviceProcess {
  readonly machine: Machine;
  readonly thread: Thread;
  private readonly fd: number;

  /** On a machine of its own, or on one that was reset. */
  constructor(machine: Partial<MachineOptions> | Machine) {
    this.machine = machine instanceof Machine ? machine : new Machine(machine);
    this.thread = this.machine.createProcess().main;
    this.fd = this.call('open', '/dev/hmm_dmirror0', O_RDWR, 0);
  }

  /** Maps `sizeBytes` of private anonymous memory, aligned to 2 MiB, and stores to every page of it. */
  buffer(sizeBytes: number, { huge = false } = {}): number {
    const flags = MAP_PRIVATE | MAP_ANONYMOUS;
    const start = this.call('mmap', 0, sizeBytes + HUGE_BYTES, PROT_READ | PROT_WRITE, flags, -1, 0);
    const addr = Math.ceil(start / HUGE_BYTES) * HUGE_BYTES;
    if (huge) this.call('madvise', addr, sizeBytes, MADV_HUGEPAGE);
    const bytes = new Uint8Array(Math.min(STORE_BYTES, sizeBytes)).fill(0x5a);
    for (let done = 0; done < sizeBytes; done += bytes.length) this.call('store', addr + done, bytes);
    return addr;
  }

  /** Gives up a buffer of `sizeBytes` and makes another of huge pages. */
  anotherBuffer(old: number, sizeBytes: number): number {
    this.call('munmap', old, sizeBytes);
    return this.buffer(sizeBytes, { huge: true });
  }

  /** One device command over `sizeBytes` at `addr`; every page must have been copied. */
  command(name: CommandName, at: { addr: number; ptr: number; sizeBytes: number }): void {
    const npages = at.sizeBytes / PAGE_BYTES;
    const { ret, bytes } = this.machine.call(this.thread, ...this.commandCall(name, at));
    const cpages = bytes === undefined ? 0 : decodeResult(bytes).cpages;
    if (ret !== 0 || cpages !== npages) throw new Error(`${name}: ret ${ret}, ${cpages} of ${npages} pages`);
  }

  /** Its system call. */
  commandCall(name: CommandName, at: { addr: number; ptr: number; sizeBytes: number }): [string, ...CallArg[]] {
    const record = encodeHmmDmirrorCmd({ addr: at.addr, ptr: at.ptr, npages: at.sizeBytes / PAGE_BYTES });
    return ['ioctlBytes', this.fd, commandNumber(dialectByName('dmirror')!, name)!, record];
  }

  /** The check that follows an ioctl over `at`. */
  checkTouched({ addr, sizeBytes }: { addr: number; sizeBytes: number }): void {
    checkTouched(this.thread.process.mm, addr, addr + sizeBytes);
  }

  /** To the device and back. */
  roundTrip(at: { addr: number; ptr: number; sizeBytes: number }): void {
    this.command('MIGRATE_TO_DEV', at);
    this.command('MIGRATE_TO_SYS', at);
  }

  private call(name: string, ...args: (number | string | Uint8Array)[]): number {
    const { ret, signal } = this.machine.call(this.thread, name, ...args);
    if (ret < 0 || signal) throw new Error(`${name}: ret ${ret}${signal ? `, signal ${signal.signo}` : ''}`);
    return ret;
  }
}
