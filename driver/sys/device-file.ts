import type { Coroutine } from '../core/effect.js';
import type { DmirrorDevices, DmirrorFile } from '../dmirror/index.js';
import type { Vma } from '../mm/vma.js';
import type { Machine } from './machine.js';
import { type IoctlRequest, OpenFile, type ReleaseQueue } from './open-file.js';
import type { Thread } from './thread.js';

/** An open /dev/hmm_dmirrorN. It acts on its opener's memory, whoever calls. */
export class DeviceFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly devices: DmirrorDevices,
    private readonly dmirror: DmirrorFile,
    /** The numbering that ioctl numbers are written in. */
    private readonly dialect: string,
  ) {
    super(releases, flags);
  }

  override *release(): Coroutine<void> {
    yield* this.devices.release(this.dmirror);
  }

  override *ioctl(thread: Thread, { cmd, arg, dialect = this.dialect }: IoctlRequest): Coroutine<number> {
    return yield* this.devices.ioctl(this.dmirror, { callerMm: thread.process.mm, cmd, arg, dialect });
  }

  override get isMappable(): boolean {
    return true;
  }

  override *mmap(vma: Vma): Coroutine<number> {
    return yield* this.devices.mmap(this.dmirror, vma);
  }
}

/** Puts the machine's devices into the tree of paths. */
export function addDevices(machine: Machine): void {
  const { devices } = machine;
  for (const minor of devices.minors) {
    machine.vfs.addSpecial(`/dev/hmm_dmirror${minor}`, function* (thread, flags) {
      const opened = yield* devices.open(minor, thread.process.mm);
      if (typeof opened === 'number') return opened;
      return new DeviceFile(machine, flags, devices, opened, thread.process.dialect);
    });
  }
}
