import { DEFAULT_PROFILE, type ProfileName, profileByName } from '../../../driver/mm/profile.js';
import type { MachineOptions } from '../../../driver/sys/machine/machine-options.js';
import type { PlanMachine } from './plan-schema.js';

const MIB = 2 ** 20;

/** What a plan's machine has where the plan says nothing. A selftest brings its own. */
const DEFAULTS: Partial<MachineOptions> = {
  ramBytes: 64 * MIB,
  swapBytes: 4 * MIB,
  hugePages: 0,
  coherent: true,
  thpEnabled: 'madvise',
  scheduler: 'round-robin',
  checkInvariants: 'touched',
};

/** The options of a plan's machine. */
export function machineOptions(machine: PlanMachine = {}): Partial<MachineOptions> {
  return { ...DEFAULTS, ...givenOptions(machine) };
}

/** Only those that the plan says. */
export function givenOptions(machine: PlanMachine = {}): Partial<MachineOptions> {
  const { scheduler, coherent, swap_mib, ram_mib, huge_pages: hugePages, thp: thpEnabled } = machine;
  const options = {
    profile: machine.profile === undefined ? undefined : profileOf(machine),
    scheduler,
    coherent,
    swapBytes: swap_mib === undefined ? undefined : swap_mib * MIB,
    ramBytes: ram_mib === undefined ? undefined : ram_mib * MIB,
    hugePages,
    thpEnabled,
  };
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

/** Whose kernel's semantics a plan's machine has. */
export function profileOf({ profile }: PlanMachine = {}): ProfileName {
  return (profile === undefined ? DEFAULT_PROFILE : (profileByName(profile) ?? DEFAULT_PROFILE)).name;
}
