import { commandByNumber, dialectByName } from '../../../uapi/dialect.js';
import { EINVAL } from '../../../uapi/errno.js';
import type { Coroutine } from '../../core/effect.js';
import type { DmirrorDevices, DmirrorFile } from '../../dmirror/index.js';
import type { InjectEngine } from '../../inject/inject-engine.js';
import type { Vma } from '../../mm/vmas/vma.js';
import type { Machine } from '../machine/machine.js';
import type { Thread } from '../processes/thread.js';
import { defaultLlseek, type Seek } from './llseek.js';
import { type IoctlRequest, OpenFile, type ReleaseQueue } from './open-file.js';

/** An open /dev/hmm_dmirrorN. It acts on its opener's memory, whoever calls. */
export class DeviceFile extends OpenFile {
  constructor(
    releases: ReleaseQueue,
    flags: number,
    private readonly devices: DmirrorDevices,
    readonly dmirror: DmirrorFile,
    /** The numbering that ioctl numbers are written in. */
    readonly dialect: string,
  ) {
    super(releases, flags);
  }

  override *release(): Coroutine<void> {
    const { inject } = this.dmirror.mm.memory.kernel;
    if (inject.armed) this.noteForInject(inject, 'close', this.dialect);
    yield* this.devices.dmirrorFopsRelease(this.dmirror);
  }

  /** A numbering that nobody knows has no number that the device knows. */
  override *ioctl(thread: Thread, { cmd, arg, dialect: name = this.dialect }: IoctlRequest): Coroutine<number> {
    const dialect = dialectByName(name);
    if (dialect === undefined || thread.process.machine.refusesIoctl?.(thread, cmd, dialect.id)) return -EINVAL;
    const { inject } = thread.process.machine.kernel;
    if (inject.armed) this.noteForInject(inject, commandByNumber(dialect, cmd) ?? 'unknown', dialect.id);
    return yield* this.devices.ioctl(this.dmirror, { callerMm: thread.process.mm, cmd, arg, dialect });
  }

  /** Fault rules are about one open file unless they say otherwise. */
  private noteForInject({ context }: InjectEngine, command: string, dialect: string): void {
    if (context === null) return;
    context.file = this.dmirror.id;
    context.device = this.dmirror.device.minor;
    context.command = command;
    context.dialect = dialect;
  }

  /** Linux: dmirror_fops */
  override llseek(seek: Seek): number {
    return defaultLlseek(this, seek);
  }

  override get isMappable(): boolean {
    return true;
  }

  override *mmap(vma: Vma): Coroutine<number> {
    return this.devices.dmirrorFopsMmap(this.dmirror, vma);
  }
}

/** Puts the machine's devices into the tree of paths. */
export function addDevices(machine: Machine): void {
  const { devices } = machine;
  for (let minor = 0; devices.device(minor) !== undefined; minor++) {
    machine.vfs.addSpecial(`/dev/hmm_dmirror${minor}`, function* (thread, flags) {
      const opened = yield* devices.dmirrorFopsOpen(minor, thread.process.mm);
      if (typeof opened === 'number') return opened;
      return new DeviceFile(machine, flags, devices, opened, thread.process.dialect);
    });
  }
}
