import { PROFILE_NAMES, type ProfileName } from '../../uapi/profile-name.js';

/**
 * Whose kernel's semantics run, as far as kernels differ in what a device can see. Code asks for one of the properties, never for
 * the name; what no property speaks of is as in 6.12, in every profile.
 */
export interface KernelProfile {
  readonly name: ProfileName;
  /** Later versions of the kernel that behave the same. */
  readonly aliases: readonly string[];
  readonly about: string;
  /**
   * Device memory also comes in folios of 2 MiB: MIGRATE_VMA_SELECT_COMPOUND, PMD-DPRIV entries, and large folios mapped by small
   * entries are split and migrated. Without it everything that goes to a device is split into single pages first.
   */
  readonly deviceThp: boolean;
  /** A fault on a device page holds its lock while the driver works; who finds it locked waits. */
  readonly faultLocksPage: boolean;
  /**
   * Device-exclusive access is taken page by page, in one address space; the entry remains a mapping of its page, and what the CPU
   * gets back follows from the vma and the page.
   */
  readonly exclusiveIsMapping: boolean;
  /** A write to the huge zero page gets a new huge page, not a split. */
  readonly hugeZeroWriteIsHuge: boolean;
  /** `hmmRangeFault` returns the errno of a fault that failed; without it, -EFAULT for all. */
  readonly hmmReturnsFaultErrno: boolean;
  /** The range fault that lets go of mmap_lock, for READ_UNLOCKED. */
  readonly hmmUnlockedFault: boolean;
  /** Pages that the test device faults or reports at a time, and that it migrates at a time. */
  readonly faultChunkPages: number;
  readonly migrateChunkPages: number;
  /** A page that a migration puts where nothing was may be written by the device at once, if the vma allows it (Q17). */
  readonly holeIsDeviceWritable: boolean;
  /** A page that finds no system memory: MIGRATE_TO_SYS ends with -ENOMEM, a CPU fault with VM_FAULT_OOM. Without it, it is skipped. */
  readonly toSystemFails: boolean;
}

export { PROFILE_NAMES, type ProfileName };

const LINUX_6_12: KernelProfile = {
  name: '6.12',
  aliases: [],
  about: 'recorded from a real 6.12; huge pages are split on their way to a device',
  deviceThp: false,
  faultLocksPage: false,
  exclusiveIsMapping: false,
  hugeZeroWriteIsHuge: false,
  hmmReturnsFaultErrno: false,
  hmmUnlockedFault: false,
  faultChunkPages: 64,
  migrateChunkPages: 64,
  holeIsDeviceWritable: true,
  toSystemFails: false,
};

const LINUX_6_19: KernelProfile = {
  ...LINUX_6_12,
  name: '6.19',
  aliases: ['7.0', '7.1', '7.2'],
  about: 'read from the source of 7.2; 2 MiB folios on devices, FLAGS',
  deviceThp: true,
  faultLocksPage: true,
  exclusiveIsMapping: true,
  hugeZeroWriteIsHuge: true,
  faultChunkPages: 32,
  migrateChunkPages: 512,
  holeIsDeviceWritable: false,
  toSystemFails: true,
};

const LINUX_7_3: KernelProfile = {
  ...LINUX_6_19,
  name: '7.3',
  aliases: [],
  about: 'read from the source of 7.3; as 6.19, with READ_UNLOCKED and the errnos of faults',
  hmmReturnsFaultErrno: true,
  hmmUnlockedFault: true,
};

export const PROFILES: readonly KernelProfile[] = [LINUX_6_12, LINUX_6_19, LINUX_7_3];
export const DEFAULT_PROFILE = LINUX_6_12;

/** A profile by its name, or by the version of a kernel that behaves so; undefined when there is none. */
export function profileByName(name: string): KernelProfile | undefined {
  return PROFILES.find((profile) => profile.name === name || profile.aliases.includes(name));
}
