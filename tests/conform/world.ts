// The processes, descriptors and buffers that the op lines of a recording speak of, on one emulated machine.

import { pageTableText } from '../../driver/mm/tables/page-table-text.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import type { Thread } from '../../driver/sys/processes/thread.js';
import { O_RDWR, O_TMPFILE } from '../../uapi/fcntl.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../uapi/mman.js';
import type { CallArg, CallResult } from '../../uapi/system-call.js';

const REGION_BASE = 0x10_0000_0000;
const REGION_STRIDE = 0x4000_0000;
const FILES = 4;
const FILE_PAGES = 12;
/** Outside all regions: records of ioctls, then the pages that `ptr` names. */
export const RECORD_ADDR = 0x60_0000_0000;
export const BUFFER_ADDR = RECORD_ADDR + 0x20_0000;
const BUFFER_PAGES = 2048;
const DEVICES = 4;

/** A process of a recording, with the descriptors that its ops name. */
export interface Actor {
  readonly thread: Thread;
  /** By device number, -1 for none. */
  readonly deviceFds: number[];
  /** Descriptors of files 0 to 3. */
  readonly fileFds: readonly number[];
  /** -1 before this process's first gup, pin or unpin. */
  gupFd: number;
}

export class World {
  private readonly actors = new Map<number, Actor>();
  private readonly filler = new Uint8Array(BUFFER_PAGES * PAGE_SIZE).fill(0xab);

  constructor(readonly machine: Machine) {
    this.begin();
  }

  /** Back to one process that forked no one, on a machine in a new life. */
  begin(): void {
    this.actors.clear();
    const thread = this.machine.createProcess().main;
    const fileFds = Array.from({ length: FILES }, (_, i) => this.makeFile(thread, i));
    const fixed = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
    const len = BUFFER_ADDR - RECORD_ADDR + BUFFER_PAGES * PAGE_SIZE;
    this.must(thread, 'mmap', RECORD_ADDR, len, PROT_READ | PROT_WRITE, fixed, -1, 0);
    this.actors.set(0, { thread, deviceFds: new Array<number>(DEVICES).fill(-1), fileFds, gupFd: -1 });
  }

  actor(p: number): Actor {
    const actor = this.actors.get(p);
    if (actor === undefined) throw new Error(`the recording names process ${p}, which does not exist`);
    return actor;
  }

  /** Every process that an op can name, by number. */
  get allActors(): ReadonlyMap<number, Actor> {
    return this.actors;
  }

  /** False for a process that a failed fork did not make, or that has ended. */
  hasActor(p: number): boolean {
    return this.actors.has(p);
  }

  addActor(p: number, actor: Actor): void {
    this.actors.set(p, actor);
  }

  removeActor(p: number): void {
    this.actors.delete(p);
  }

  call(actor: Actor, name: string, ...args: CallArg[]): CallResult {
    return this.machine.call(actor.thread, name, ...args);
  }

  /** An ioctl whose record stands in process memory; answers its result and the record afterwards. */
  ioctl(
    actor: Actor,
    fd: number,
    { cmd, record, dialect }: { cmd: number; record: Uint8Array; dialect?: string },
  ): { ret: number; record: Uint8Array } {
    this.must(actor.thread, 'store', RECORD_ADDR, record);
    const { ret } = this.call(actor, 'ioctl', fd, cmd, RECORD_ADDR, ...(dialect === undefined ? [] : [dialect]));
    return { ret, record: this.must(actor.thread, 'load', RECORD_ADDR, record.length).bytes! };
  }

  writeBuffer(actor: Actor, bytes: Uint8Array): void {
    this.must(actor.thread, 'store', BUFFER_ADDR, bytes);
  }

  fillBuffer(actor: Actor, sizeBytes: number): void {
    this.must(actor.thread, 'store', BUFFER_ADDR, this.filler.subarray(0, sizeBytes));
  }

  readBuffer(actor: Actor, sizeBytes: number): Uint8Array {
    return this.must(actor.thread, 'load', BUFFER_ADDR, sizeBytes).bytes!;
  }

  /** The process's own gup_test file, opened at its first use. */
  gupFd(actor: Actor): number {
    if (actor.gupFd < 0) actor.gupFd = this.must(actor.thread, 'open', '/sys/kernel/debug/gup_test', O_RDWR).ret;
    return actor.gupFd;
  }

  /** The page table entries of every process in the regions that hold something, as text. */
  stateText(): string {
    const lines: string[] = [];
    for (const [p, { thread }] of this.actors) {
      const { mm } = thread.process;
      for (const vma of mm.vmas) {
        if (vma.start < REGION_BASE || vma.start >= RECORD_ADDR) continue;
        const region = Math.floor((vma.start - REGION_BASE) / REGION_STRIDE);
        const first = ((vma.start - REGION_BASE) % REGION_STRIDE) / PAGE_SIZE;
        const pages = (vma.end - vma.start) / PAGE_SIZE;
        lines.push(
          `process ${p} region ${region} pages ${first}-${first + pages - 1} flags 0x${vma.flags.toString(16)}`,
        );
        for (const line of pageTableText(mm, vma.start, vma.end).split('\n')) lines.push(`  ${line}`);
      }
    }
    return lines.join('\n');
  }

  private must(thread: Thread, name: string, ...args: CallArg[]): CallResult {
    const result = this.machine.call(thread, name, ...args);
    if (result.ret < 0 || result.signal) throw new Error(`${name} of the replayer itself fails: ${result.ret}`);
    return result;
  }

  /** Page k of file `i` begins with the word 0xF1000000 + i * 0x10000 + k; the rest is zero. */
  private makeFile(thread: Thread, i: number): number {
    const fd = this.must(thread, 'open', '/tmp', O_TMPFILE | O_RDWR, 0o600).ret;
    const contents = new Uint32Array((FILE_PAGES * PAGE_SIZE) / 4);
    for (let k = 0; k < FILE_PAGES; k++) contents[(k * PAGE_SIZE) / 4] = 0xf1000000 + i * 0x10000 + k;
    this.must(thread, 'pwrite', fd, new Uint8Array(contents.buffer), 0);
    return fd;
  }
}

/** Address of page `page` of region `region`. */
export function regionAddr(region: number, page: number): number {
  return REGION_BASE + region * REGION_STRIDE + page * PAGE_SIZE;
}

/** The little endian word at `offset`, 8 hex digits. */
export function hexWord(bytes: Uint8Array, offset: number): string {
  const word = new DataView(bytes.buffer, bytes.byteOffset).getUint32(offset, true);
  return word.toString(16).padStart(8, '0');
}
