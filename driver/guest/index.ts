/** The public face of programs on the machine. */
export type { Tier } from '../cpu/hart.js';
export { ElfError, parseElf } from './elf.js';
export type { GuestHost } from './guest-host.js';
export { GuestSystem, type ProgramRequest } from './guest-system.js';
export { hangReport } from './hang-report.js';
export { guestSyscalls } from './syscalls/syscall-table.js';
