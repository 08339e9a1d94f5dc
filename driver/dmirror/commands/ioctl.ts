import { type CommandName, commandByNumber, type Dialect } from '../../../uapi/dialect.js';
import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import { decodeCommand, encodeResult, HMM_DMIRROR_CMD_BYTES } from '../../../uapi/hmm-dmirror.js';
import { type Coroutine, FINE } from '../../core/effect.js';
import { copyFromUser, copyToUser } from '../../mm/faults/access.js';
import type { KernelProfile } from '../../mm/profile.js';
import type { Mm } from '../../mm/vmas/mm.js';
import type { DmirrorContext } from '../context.js';
import type { DmirrorFile } from '../file.js';
import { dmirrorCheckAtomic } from './check-exclusive.js';
import type { Command } from './command.js';
import { dmirrorExclusive } from './exclusive.js';
import { dmirrorSetFlags } from './flags.js';
import { dmirrorMigrateOnFaultToDevice } from './migrate-on-fault.js';
import { dmirrorMigrateToDevice } from './migrate-to-dev.js';
import { dmirrorMigrateToSystem } from './migrate-to-sys.js';
import { dmirrorRead, dmirrorReadUnlocked } from './read.js';
import { dmirrorDeviceRemoveChunks } from './release.js';
import { dmirrorSnapshot } from './snapshot.js';
import { dmirrorWrite } from './write.js';

/** One call: whose memory `arg` points into, and how the number is read. */
export interface IoctlCall {
  readonly callerMm: Mm;
  /** The whole number, unsigned or signed. */
  readonly cmd: number;
  /** Address of the record. */
  readonly arg: number;
  readonly dialect: Dialect;
}

/**
 * The common part of every command; the order of its checks can be seen from outside. 0 with the record written back, or
 * a negative errno with the record untouched (Q12). Linux: lib/test_hmm.c:dmirror_fops_unlocked_ioctl()
 */
export function* dmirrorFopsUnlockedIoctl(
  context: DmirrorContext,
  file: DmirrorFile,
  call: IoctlCall,
): Coroutine<number> {
  const { callerMm, arg } = call;
  context.memory.kernel.assertNoLocks();
  const record = new Uint8Array(HMM_DMIRROR_CMD_BYTES);
  if ((yield* copyFromUser(callerMm, arg, record)) !== 0) return -EFAULT;
  const view = new DataView(record.buffer);
  const inputs = decodeCommand(view);
  if (typeof inputs === 'number') return inputs;
  const name = commandByNumber(call.dialect, call.cmd);
  if (name === undefined) return -EINVAL;
  const { kernel } = context.memory;
  const command: Command = { context, file, callerMm, ...inputs, cpages: 0, faults: 0 };
  context.onCommand?.(name, command);
  kernel.current.doing = name;
  kernel.emit('ioctl', { command: name, phase: 'begin', addr: command.addr, npages: command.npages });
  if (kernel.inject.armed) kernel.inject.begins(command.addr);
  const ret = isModelled(name, context.memory.profile) ? yield* runCommand(name, command) : -EINVAL;
  kernel.emit('ioctl', { command: name, phase: 'end', ret, cpages: command.cpages });
  if (ret !== 0) return ret;
  encodeResult(view, command.cpages, command.faults);
  return (yield* copyToUser(callerMm, arg, record)) === 0 ? 0 : -EFAULT;
}

/** Has the profile this command? Every other one of a dialect answers -EINVAL. */
export function isModelled(name: CommandName, profile: KernelProfile): boolean {
  return name === 'READ_UNLOCKED' ? profile.hmmUnlockedFault : MODELLED_COMMANDS.has(name);
}

const MODELLED_COMMANDS: ReadonlySet<CommandName> = new Set<CommandName>([
  ...(['READ', 'WRITE', 'MIGRATE_TO_DEV', 'MIGRATE_ON_FAULT_TO_DEV', 'MIGRATE_TO_SYS', 'SNAPSHOT'] as const),
  ...(['EXCLUSIVE', 'CHECK_EXCLUSIVE', 'RELEASE', 'FLAGS'] as const),
]);

/** Commands that only later kernels know are unknown ones, whatever their number. */
function* runCommand(name: CommandName, command: Command): Coroutine<number> {
  switch (name) {
    case 'READ':
      return yield* dmirrorRead(command);
    case 'WRITE':
      return yield* dmirrorWrite(command);
    case 'MIGRATE_TO_DEV':
      return yield* dmirrorMigrateToDevice(command);
    case 'MIGRATE_ON_FAULT_TO_DEV':
      return yield* dmirrorMigrateOnFaultToDevice(command);
    case 'MIGRATE_TO_SYS':
      return yield* dmirrorMigrateToSystem(command);
    case 'SNAPSHOT':
      return yield* dmirrorSnapshot(command);
    case 'EXCLUSIVE':
      return yield* dmirrorExclusive(command);
    case 'CHECK_EXCLUSIVE':
      if (command.context.memory.kernel.scheduler.isFine) yield FINE.content;
      return dmirrorCheckAtomic(command);
    case 'RELEASE':
      yield* dmirrorDeviceRemoveChunks(command.file.device);
      return 0;
    case 'FLAGS':
      return dmirrorSetFlags(command);
    case 'READ_UNLOCKED':
      return yield* dmirrorReadUnlocked(command);
    default:
      return -EINVAL;
  }
}
