import { DEFAULT_DIALECT } from '../../uapi/dialect.js';
import type { DmirrorQuirks } from '../dmirror/index.js';

/** Which code serves MIGRATE_TO_DEV, MIGRATE_TO_SYS and the CPU fault; both give the same results. */
export type MigrationPath = 'classic' | 'unified';
export type SchedulerName = 'round-robin' | 'random';
/** After which calls `checkInvariants` runs by itself: none, over what the call's process touches, or over everything. */
export type InvariantChecks = 'off' | 'touched' | 'all';
export type ThpEnabled = 'always' | 'madvise' | 'never';

export interface MachineOptions {
  /** Size of RAM; a multiple of 2 MiB. Not touched before use. */
  readonly ramBytes: number;
  readonly swapBytes: number;
  /** 2 MiB hugetlb pages. */
  readonly hugePages: number;
  readonly path: MigrationPath;
  /** The coherent devices 2 and 3 exist. */
  readonly coherent: boolean;
  /** Of the scheduler and of everything random inside the machine. */
  readonly seed: number;
  readonly scheduler: SchedulerName;
  /** /sys/kernel/mm/transparent_hugepage/enabled at the start. */
  readonly thpEnabled: ThpEnabled;
  /** Bugs of the real driver that would crash or hang it; all off by default (spec section 10). */
  readonly quirks: Partial<DmirrorQuirks>;
  readonly checkInvariants: InvariantChecks;
  /** Steps that one `run` may take. */
  readonly stepLimit: number;
  /** Numbering that device files speak unless a call names another. */
  readonly dialect: string;
  /** Descriptors of one process. Linux: RLIMIT_NOFILE */
  readonly maxFiles: number;
  /** Mappings of one process. Linux: vm.max_map_count */
  readonly maxMapCount: number;
}

export const DEFAULT_MACHINE_OPTIONS: MachineOptions = {
  ramBytes: 2 ** 30,
  swapBytes: 0,
  hugePages: 0,
  path: 'classic',
  coherent: true,
  seed: 1,
  scheduler: 'round-robin',
  thpEnabled: 'madvise',
  quirks: {},
  checkInvariants: 'off',
  stepLimit: 50_000_000,
  dialect: DEFAULT_DIALECT,
  maxFiles: 1024,
  maxMapCount: 65530,
};
