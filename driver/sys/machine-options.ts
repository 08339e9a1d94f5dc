import { DEFAULT_DIALECT } from '../../uapi/dialect.js';

/** Which code serves MIGRATE_TO_DEV, MIGRATE_TO_SYS and the CPU fault; both give the same results. */
export type MigrationPath = 'classic' | 'unified';
export type SchedulerName = 'round-robin' | 'random';
/** After which calls `checkInvariants` runs by itself: none, over what the call's process touches, or over everything. */
export type InvariantChecks = 'off' | 'touched' | 'all';
export type ThpEnabled = 'always' | 'madvise' | 'never';

/** Bugs of the real driver that would crash or hang it; all off by default (spec section 10). */
export interface Quirks {
  /** Q3: READ and WRITE of an own device page without its mirror entry end the machine's run with an oops report. */
  readonly q3Strict?: boolean;
  /** Q7: a contended THP in collect leaks a reference. */
  readonly q7?: boolean;
  /** Q18: a CPU fault without a free system page is retried for ever. */
  readonly q18?: boolean;
}

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
  readonly quirks: Quirks;
  readonly checkInvariants: InvariantChecks;
  /** Steps that one `run` may take. */
  readonly stepLimit: number;
  /** Numbering that device files speak unless a call names another. */
  readonly dialect: string;
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
};
