import { DEFAULT_DIALECT, dialectByName, dialectIds } from '../../../uapi/dialect.js';
import { DEFAULT_PATH, type PathName } from '../../../uapi/path-name.js';
import type { SchedulerPolicy } from '../../core/policy.js';
import { DEVMEM_CHUNK_PAGES, type DmirrorQuirks, NO_QUIRKS } from '../../dmirror/index.js';
import { type MigrationPath, pathError } from '../../hmm/index.js';
import { PAGE_SIZE } from '../../mm/frames/frames.js';
import { DEFAULT_PROFILE, PROFILE_NAMES, profileByName } from '../../mm/profile.js';

type SchedulerName = 'round-robin' | 'random';
/** After which calls `checkInvariants` runs by itself: none, over what the call's process touches, or over everything. */
export type InvariantChecks = 'off' | 'touched' | 'all';
export type ThpEnabled = 'always' | 'madvise' | 'never';

export interface MachineOptions {
  /** Size of RAM; a multiple of 2 MiB. Not touched before use. */
  readonly ramBytes: number;
  readonly swapBytes: number;
  /** 2 MiB hugetlb pages. */
  readonly hugePages: number;
  /** Which code serves MIGRATE_TO_DEV, MIGRATE_TO_SYS and the CPU fault: a record of driver/hmm/paths.ts, or one of the caller's own. */
  readonly path: PathName | MigrationPath;
  /** Whose kernel's semantics run: a name or alias of `driver/mm/profile.ts`. */
  readonly profile: string;
  /** The coherent devices 2 and 3 exist. */
  readonly coherent: boolean;
  /** Of the scheduler and of everything random inside the machine. */
  readonly seed: number;
  /** Who decides which task goes next; unless given, `random` with a seed and `round-robin` without. */
  readonly scheduler: SchedulerName | SchedulerPolicy;
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
  path: DEFAULT_PATH,
  profile: DEFAULT_PROFILE.name,
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

/** `options` with what they leave open. */
export function completeOptions(options: Partial<MachineOptions>): MachineOptions {
  const scheduler = options.seed === undefined ? 'round-robin' : 'random';
  return { ...DEFAULT_MACHINE_OPTIONS, scheduler, ...options };
}

const HUGE_PAGE_BYTES = 2 * 2 ** 20;
/** The windows of the two coherent devices. */
export const COHERENT_BYTES = 2 * DEVMEM_CHUNK_PAGES * PAGE_SIZE;
/** RAM and the coherent windows share one WebAssembly.Memory with what the core keeps in front of them, and it holds no more. */
const MAX_BUFFER_BYTES = 2 ** 32 - HUGE_PAGE_BYTES;
const CHOICES: { readonly [Name in keyof MachineOptions]?: readonly string[] } = {
  scheduler: ['round-robin', 'random'],
  thpEnabled: ['always', 'madvise', 'never'],
  checkInvariants: ['off', 'touched', 'all'],
};

function isPolicy(scheduler: unknown): scheduler is SchedulerPolicy {
  const { pick, reset } = (scheduler ?? {}) as Partial<SchedulerPolicy>;
  return typeof pick === 'function' && typeof reset === 'function';
}

/** The block with the machine's own frames is none of them. */
export function maxHugePages(ramBytes: number): number {
  return Math.floor(ramBytes / HUGE_PAGE_BYTES) - 1;
}

/** Throws a RangeError that names the option, its value and what is possible, when no machine can be made of `options`. */
export function checkMachineOptions(options: MachineOptions): void {
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = options[name as keyof MachineOptions];
    if (name === 'scheduler' && isPolicy(options.scheduler)) continue;
    if (!choices.includes(value as string))
      throw new RangeError(`${name} is '${value}', not one of ${choices.join(', ')}`);
  }
  const wrong = typeof options.path === 'object' ? null : pathError(options.path);
  if (wrong !== null)
    throw new RangeError(
      `path is '${options.path}': no ${wrong.what} '${wrong.word}'; there are ${wrong.known.join(', ')}`,
    );
  if (dialectByName(options.dialect) === undefined) {
    throw new RangeError(`dialect is '${options.dialect}', not one of ${dialectIds().join(', ')}`);
  }
  if (profileByName(options.profile) === undefined) {
    throw new RangeError(`profile is '${options.profile}', not one of ${PROFILE_NAMES.join(', ')}`);
  }
  for (const [name, value] of Object.entries(options.quirks)) {
    const names = Object.keys(NO_QUIRKS).join(', ');
    if (!Object.hasOwn(NO_QUIRKS, name)) throw new RangeError(`quirks has '${name}', which is not one of ${names}`);
    if (typeof value !== 'boolean') throw new RangeError(`${name} of quirks is '${value}', not true or false`);
  }
  const { ramBytes, coherent } = options;
  const mostBytes = MAX_BUFFER_BYTES - (coherent ? COHERENT_BYTES : 0);
  if (!(ramBytes > 0 && ramBytes % HUGE_PAGE_BYTES === 0 && ramBytes <= mostBytes)) {
    const limit = coherent ? `${mostBytes}, or ${MAX_BUFFER_BYTES} without the coherent devices` : `${mostBytes}`;
    throw new RangeError(`ramBytes is ${ramBytes}, not a multiple of ${HUGE_PAGE_BYTES} (2 MiB) of at most ${limit}`);
  }
  const most = maxHugePages(ramBytes);
  if (options.hugePages > most) throw new RangeError(`hugePages is ${options.hugePages}, and RAM has room for ${most}`);
  for (const name of ['swapBytes', 'hugePages', 'stepLimit', 'maxFiles', 'maxMapCount'] as const) {
    if (!(options[name] >= 0)) throw new RangeError(`${name} is ${options[name]}, not a number of at least 0`);
  }
}
