import { fileCalls } from './file-calls.js';
import { inspectCalls } from './inspect-calls.js';
import { ioctlCalls } from './ioctl-calls.js';
import { ipcCalls } from './ipc-calls.js';
import { memoryCalls } from './memory-calls.js';
import { processCalls } from './process-calls.js';
import type { Syscall, SyscallTable } from './syscall.js';

/** Every system call of the machine. All doors (client, daemon, guest CPU) come through this table. */
export const syscalls: SyscallTable = {
  ...memoryCalls,
  ...processCalls,
  ...fileCalls,
  ...ioctlCalls,
  ...ipcCalls,
  ...inspectCalls,
};

/** A system call by its name, which somebody else may have chosen. */
export function syscallByName(name: string): Syscall | undefined {
  return Object.hasOwn(syscalls, name) ? syscalls[name] : undefined;
}
