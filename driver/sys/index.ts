/** The public face of the machine. */
export { Machine } from './machine.js';
export { MachineError } from './machine-error.js';
export {
  DEFAULT_MACHINE_OPTIONS,
  type InvariantChecks,
  type MachineOptions,
  type MigrationPath,
  type SchedulerName,
  type ThpEnabled,
} from './machine-options.js';
export type { Process } from './process.js';
export { BadCallError } from './syscall.js';
export { syscalls } from './syscalls.js';
export type { Call, Thread } from './thread.js';
