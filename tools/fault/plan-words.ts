import * as mman from '../../uapi/mman.js';

/** Advice by its name without MADV_, in lower case. */
export const ADVICE: Readonly<Record<string, number>> = Object.fromEntries(
  Object.entries(mman)
    .filter(([name]) => name.startsWith('MADV_'))
    .map(([name, value]) => [name.slice(5).toLowerCase(), value as number]),
);

export const PROTECTION: Readonly<Record<string, number>> = {
  none: mman.PROT_NONE,
  r: mman.PROT_READ,
  rw: mman.PROT_READ | mman.PROT_WRITE,
};

/** Steps that are commands of the device. */
export const COMMANDS = [
  'read',
  'write',
  'migrate_to_dev',
  'migrate_on_fault_to_dev',
  'migrate_to_sys',
  'snapshot',
  'exclusive',
  'check_exclusive',
  'release',
] as const;

/** What a step can do. */
export const VERBS: readonly string[] = [
  ...COMMANDS,
  'session',
  'drop',
  'process',
  'map',
  'unmap',
  'protect',
  'advise',
  'move',
  'store',
  'load',
  'fork',
  'kill',
  'exit',
  'wait',
  'open',
  'close',
  'pin',
  'unpin',
  'together',
];
