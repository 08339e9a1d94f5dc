// The processes, descriptors and buffers that the op lines of a recording speak of, on one emulated machine.

import { Watch } from '../../../driver/check/index.js';
import { pageTableText } from '../../../driver/mm/tables/page-table-text.js';
import type { Machine } from '../../../driver/sys/machine/machine.js';
import type { Thread } from '../../../driver/sys/processes/thread.js';
import { O_RDWR, O_TMPFILE } from '../../../uapi/fcntl.js';
import { MAP_ANONYMOUS, MAP_FIXED, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '../../../uapi/mman.js';
import type { CallArg, CallResult } from '../../../uapi/system-call.js';
import { ops } from './ops.js';
import { BUFFER_ADDR, BUFFER_PAGES, DEVICE_FILES, RECORD_ADDR, REGION_BASE, REGION_STRIDE } from './places.js';
import type { Script, Seat } from './script.js';

const FILES = 4;
const FILE_PAGES = 12;

/** A process of a recording, with the descriptors that its ops name. */
export interface Actor {
  readonly thread: Thread;
  /** By device number, or by that of a second file; -1 for none. */
  readonly deviceFds: number[];
  /** Descriptors of files 0 to 3. */
  readonly fileFds: readonly number[];
  /** Descriptors of special files, by path, from their first use on. */
  readonly fds: Map<string, number>;
}

export class World implements Seat {
  readonly world = this;
  readonly recordAddr = RECORD_ADDR;
  readonly bufferAddr = BUFFER_ADDR;
  private readonly actors = new Map<number, Actor>();

  /** Follows every call, where somebody judges what the machine does. */
  watch: Watch | null = null;

  constructor(
    readonly machine: Machine,
    private readonly options: { readonly isWatched?: boolean | undefined; readonly bufferPages?: number } = {},
  ) {
    this.begin();
  }

  /** Back to one process that forked no one, on a machine in a new life. */
  begin(): void {
    this.actors.clear();
    const { isWatched = false, bufferPages = BUFFER_PAGES } = this.options;
    this.watch = isWatched ? new Watch(this.machine) : null;
    const thread = this.machine.createProcess().main;
    const fileFds = Array.from({ length: FILES }, (_, i) => this.makeFile(thread, i));
    const fixed = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED;
    const len = BUFFER_ADDR - RECORD_ADDR + bufferPages * PAGE_SIZE;
    this.must(thread, 'mmap', RECORD_ADDR, len, PROT_READ | PROT_WRITE, fixed, -1, 0);
    this.actors.set(0, { thread, deviceFds: new Array<number>(DEVICE_FILES).fill(-1), fileFds, fds: new Map() });
  }

  actor(p: number): Actor {
    const actor = this.actors.get(p);
    if (actor === undefined) throw new Error(`the recording names process ${p}, which does not exist`);
    return actor;
  }

  threadOf(p: number): Thread {
    return this.actor(p).thread;
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

  /** One op line, its words split at the blanks, alone: nothing else runs meanwhile. The answer. */
  run(words: readonly string[]): string {
    const op = ops[words[0]!];
    if (op === undefined) throw new Error(`the recording language has no op ${words[0]}`);
    return this.finish(op(this, words));
  }

  call(actor: Actor, name: string, ...args: CallArg[]): CallResult {
    return this.watched(actor.thread, name, args);
  }

  private watched(thread: Thread, name: string, args: readonly CallArg[]): CallResult {
    const call = this.watch?.before(thread.tid, name, args);
    const result = this.machine.call(thread, name, ...args);
    if (call !== undefined) this.watch!.after(call, result);
    return result;
  }

  /** Runs a script to its end, call by call. */
  finish<T>(script: Script<T>): T {
    let step = script.next();
    while (step.done !== true) {
      const { thread, name, args } = step.value;
      step = script.next(this.watched(thread, name, args));
    }
    return step.value;
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
    const result = this.watched(thread, name, args);
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
