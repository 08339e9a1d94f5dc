import { shmemPunchHole, shmemTruncate } from '../../../driver/mm/files/shmem.js';
import { doMprotectPkey } from '../../../driver/mm/vmas/mprotect.js';
import { MADV_COLLAPSE, MAP_FIXED, MAP_SHARED } from '../../../uapi/mman.js';
import { BASE, PAGE, TestMachine, type TestMachineOptions } from '../test-machine.js';
import { TestFile } from './test-file.js';

/** A machine with a tmpfs file of `npages` that is mapped shared from page 0 on, and checked after each step. */
export class FileMachine extends TestMachine {
  readonly file: TestFile;

  constructor({ npages = 512, ...options }: TestMachineOptions & { npages?: number } = {}) {
    super({ checked: true, ramBytes: 32 << 20, hugePages: 0, swapBytes: 8 << 20, ...options });
    this.file = new TestFile(this.memory, npages);
    this.mapFile(0, npages);
  }

  get mapping() {
    return this.file.mapping;
  }

  mapFile(at: number, npages: number, { mm = this.mm, kind = MAP_SHARED, pgoff = 0 } = {}): void {
    this.anon(at, npages, { mm, file: this.file, flags: kind | MAP_FIXED, pgoff });
  }

  collapse(at = 0, mm = this.mm): number {
    return this.advise(at, 512, MADV_COLLAPSE, mm);
  }

  /** Pages 0, 7 and 511 hold 1, 8 and 512, and are one folio that page 0 is mapped by. */
  collapsed(): this {
    for (const page of [0, 7, 511]) this.fill(page);
    if (this.collapse() !== 0 || this.text(0, 512) !== 'PMD 0-511 HUGE W') throw new Error(this.text(0, 512));
    this.takeEvents();
    return this;
  }

  /** The order of the folio that the file has at `index`. */
  order(index: number): number {
    const { frames } = this.memory;
    return frames.order(frames.head(this.mapping.pages.get(index)));
  }

  protect(at: number, npages: number, prot: number): void {
    const ret = this.run(doMprotectPkey(this.mm, BASE + at * PAGE, npages * PAGE, prot));
    if (ret !== 0) throw new Error(`mprotect answers ${ret}`);
  }

  truncate(npages: number): void {
    this.run(shmemTruncate(this.memory, this.mapping, npages * PAGE));
  }

  punch(first: number, npages: number): void {
    this.run(shmemPunchHole(this.memory, this.mapping, first * PAGE, npages * PAGE));
  }

  get content(): (number | string)[] {
    return [0, 7, 511].map((page) => this.load(page));
  }
}

/** What the three pages hold, and how the one entry looks. */
export const CONTENT = [1, 8, 512];
export const HUGE_W = 'PMD 0-511 HUGE W';
