// The public face of this layer: the devices of a machine, and gup_test beside them.

import { ENOENT } from '../../uapi/errno.js';
import { assert } from '../core/assert.js';
import type { Coroutine } from '../core/effect.js';
import { Access, NUMBERED, Shared } from '../core/observer.js';
import {
  type MigrationPath,
  mayNestFolioLocks,
  mmuIntervalNotifierInsert,
  mmuIntervalNotifierRemove,
  registerHmmHooks,
} from '../hmm/index.js';
import { PAGE_SIZE, Zone } from '../mm/frames/frames.js';
import type { Memory } from '../mm/memory.js';
import type { Mm } from '../mm/vmas/mm.js';
import type { Vma } from '../mm/vmas/vma.js';
import { dmirrorFopsUnlockedIoctl, type IoctlCall } from './commands/ioctl.js';
import { DmirrorContext, type DmirrorQuirks, NO_QUIRKS } from './context.js';
import { checkDeviceInvariants } from './device-invariants.js';
import { dmirrorFopsMmap } from './dmirror-mmap.js';
import { DmirrorFile } from './file.js';
import { DEVMEM_CHUNK_PAGES } from './memory/chunk.js';
import { DmirrorDevice } from './memory/device.js';
import { dmirrorDeviceEvictChunk } from './memory/evict.js';
import { dmirrorDevmemFault } from './memory/migrate-to-ram.js';
import { PrivateWindows } from './memory/windows.js';

export { KernelOops } from '../core/kernel-oops.js';
export type { Command } from './commands/command.js';
export type { IoctlCall } from './commands/ioctl.js';
export { type DmirrorQuirks, NO_QUIRKS } from './context.js';
export { DmirrorFile } from './file.js';
export { GupTestModule, type GupTestOpen } from './gup-test-module.js';
export { DEVMEM_CHUNK_PAGES } from './memory/chunk.js';
export type { DmirrorDevice } from './memory/device.js';

export interface DmirrorDevicesOptions {
  /** How MIGRATE_TO_DEV, MIGRATE_TO_SYS, MIGRATE_ON_FAULT_TO_DEV and CPU faults migrate. */
  readonly path: MigrationPath;
  readonly quirks?: Partial<DmirrorQuirks>;
  /** Pages of a chunk; Linux's 65536 unless a test wants to see the end of one. */
  readonly chunkPages?: number;
}

const ADDRESS_SPACE_BYTES = 2 ** 64 - PAGE_SIZE;

/**
 * The devices 0 and 1 with private memory, and, when the machine has windows of coherent memory, 2 and 3 with that.
 * Device 2 sits in the second window and device 3 in the first, as spm_addr_dev0 and spm_addr_dev1 are read crosswise.
 * Linux: lib/test_hmm.c
 */
export class DmirrorDevices {
  readonly context: DmirrorContext;
  private readonly windows: PrivateWindows;
  private readonly devices: DmirrorDevice[] = [];

  constructor(
    readonly memory: Memory,
    { path, quirks = {}, chunkPages = DEVMEM_CHUNK_PAGES }: DmirrorDevicesOptions,
  ) {
    this.context = new DmirrorContext(memory, path, { ...NO_QUIRKS, ...quirks });
    if (this.context.quirks.q18EndlessRefault) memory.maxRefaults = Number.POSITIVE_INFINITY;
    this.windows = new PrivateWindows(memory, chunkPages);
    const { firstCoherentPfn, coherentFrames } = memory.frames;
    this.addDevice(Zone.private, chunkPages, this.windows);
    this.addDevice(Zone.private, chunkPages, this.windows);
    if (coherentFrames > 0) {
      const windowPages = Math.floor(coherentFrames / 2);
      this.addDevice(Zone.coherent, windowPages, firstCoherentPfn + windowPages);
      this.addDevice(Zone.coherent, windowPages, firstCoherentPfn);
    }
    registerHmmHooks(memory);
    if (path.ignoresOwnClears) {
      memory.clearOwner = () => memory.kernel.current;
      memory.allocator.reusesLate = true;
    }
    memory.nestsFolioLocks = mayNestFolioLocks(path);
  }

  /** The device of a minor number; undefined when the machine has none. */
  device(minor: number): DmirrorDevice | undefined {
    return this.devices[minor];
  }

  /**
   * Opens a device for the address space `mm`, to which the file belongs from now on. The caller holds no lock. A negative
   * errno: -ENOENT without such a device, or what the notifier says. Linux: lib/test_hmm.c:dmirror_fops_open()
   */
  *dmirrorFopsOpen(minor: number, mm: Mm): Coroutine<DmirrorFile | number> {
    this.memory.kernel.assertNoLocks();
    const device = this.devices[minor];
    if (device === undefined) return -ENOENT;
    this.memory.kernel.observer?.touch(Shared.nextNumber, NUMBERED.deviceFile, Access.write, 1);
    const file = new DmirrorFile(device, mm, this.context.nextFileId++);
    const notifier = yield* mmuIntervalNotifierInsert(mm, { start: 0, length: ADDRESS_SPACE_BYTES, ops: file });
    if (typeof notifier === 'number') return notifier;
    file.notifier = notifier;
    this.context.files.set(file.id, file);
    return file;
  }

  /** One ioctl on an open file. */
  ioctl(file: DmirrorFile, call: IoctlCall): Coroutine<number> {
    return dmirrorFopsUnlockedIoctl(this.context, file, call);
  }

  /** The last descriptor is gone: every page of the device leaves it, whoever owns it. Linux: lib/test_hmm.c:dmirror_fops_release() */
  *dmirrorFopsRelease(file: DmirrorFile): Coroutine<void> {
    assert(file.notifier !== null, 'a file is closed twice');
    yield* mmuIntervalNotifierRemove(file.notifier);
    file.notifier = null;
    const { device } = file;
    // No lock: RELEASE may take the chunks away meanwhile, as it may in Linux.
    for (let i = 0; i < device.chunks.length; i++) yield* dmirrorDeviceEvictChunk(device, device.chunks[i]!);
    file.mirror.destroy();
    this.context.closeFile(file);
  }

  /** Fills a new mapping of a device's file; the mmap_lock is held for write. 0, -ENOMEM or -EBUSY. */
  dmirrorFopsMmap(_file: DmirrorFile, vma: Vma): number {
    return dmirrorFopsMmap(this.memory, vma);
  }

  /** Every file that is open, and closed ones that pages still name; for reports. */
  get files(): readonly DmirrorFile[] {
    return [...this.context.files.values()];
  }

  /** Throws an AssertionError when a device's books are wrong. Only while no task is in the kernel. */
  checkInvariants(): void {
    for (const device of this.devices) checkDeviceInvariants(device, this.files);
    this.checkKernelMemory();
  }

  private checkKernelMemory(): void {
    const { table, vmalloc, mirror } = this.memory.kernelMemory.taken;
    const leaves = this.files.reduce((sum, file) => sum + file.mirror.leafCount, 0);
    assert(table === this.memory.tables.inUse, '% page tables are counted, % in use', table, this.memory.tables.inUse);
    assert(vmalloc === this.context.bounce.pages, '% pages of buffers are counted', vmalloc);
    assert(mirror === leaves, '% leaves of mirrors are counted, there are %', mirror, leaves);
  }

  /** A new life of the machine: nothing is open and all device memory is free. The address spaces must be gone. */
  reset(): void {
    this.windows.reset();
    this.context.reset();
    for (const device of this.devices) device.reset();
  }

  private addDevice(
    zone: typeof Zone.private | typeof Zone.coherent,
    chunkPages: number,
    place: PrivateWindows | number,
  ): void {
    const { context, memory } = this;
    this.devices.push(
      new DmirrorDevice(memory, {
        minor: this.devices.length,
        zone,
        chunkPages,
        place,
        ignoresMoves: context.quirks.q20StaleMirror,
        migrateToRam: (fault) => dmirrorDevmemFault(context, fault),
      }),
    );
  }
}
