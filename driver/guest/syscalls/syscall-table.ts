import type { GuestSyscallTable } from '../guest-syscall.js';
import { capabilitySyscalls } from './syscall-capability.js';
import { cloneSyscalls } from './syscall-clone.js';
import { fileSyscalls } from './syscall-file.js';
import { ioSyscalls } from './syscall-io.js';
import { ipcSyscalls } from './syscall-ipc.js';
import { limitSyscalls } from './syscall-limits.js';
import { memfdSyscalls } from './syscall-memfd.js';
import { memorySyscalls } from './syscall-memory.js';
import { miscSyscalls } from './syscall-misc.js';
import { pidfdSyscalls } from './syscall-pidfd.js';
import { prctlSyscalls } from './syscall-prctl.js';
import { processSyscalls } from './syscall-process.js';
import { processVmSyscalls } from './syscall-process-vm.js';
import { signalSyscalls } from './syscall-signal.js';
import { statSyscalls } from './syscall-stat.js';
import { timeSyscalls } from './syscall-time.js';
import { waitSyscalls } from './syscall-wait.js';

/** Every system call of riscv64 Linux that programs find here, by its number; any other one is -ENOSYS. */
export const guestSyscalls: GuestSyscallTable = {
  ...fileSyscalls,
  ...ioSyscalls,
  ...statSyscalls,
  ...memorySyscalls,
  ...processSyscalls,
  ...processVmSyscalls,
  ...cloneSyscalls,
  ...pidfdSyscalls,
  ...signalSyscalls,
  ...timeSyscalls,
  ...waitSyscalls,
  ...ipcSyscalls,
  ...memfdSyscalls,
  ...miscSyscalls,
  ...prctlSyscalls,
  ...limitSyscalls,
  ...capabilitySyscalls,
};
