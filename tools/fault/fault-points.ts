import {
  INJECT_POINTS,
  type InjectPointInfo,
  type InjectReturn,
  type PhaseName,
} from '../../driver/inject/inject-points.js';
import { PROFILE_NAMES, type ProfileName } from '../../driver/mm/profile.js';
import { WIRE_POINTS, type WireReturn } from './wire/wire-points.js';

export type FaultReturn = InjectReturn | WireReturn;
/** Frames are in a phase of their own. */
export type FaultPhase = PhaseName | 'wire';

/** A point that plans can name. */
export interface FaultPointInfo extends Omit<InjectPointInfo, 'phases' | 'returns' | 'profiles'> {
  readonly phases: readonly FaultPhase[];
  readonly returns: readonly FaultReturn[];
  /** Frames are the same for all of them. */
  readonly profiles: Readonly<Partial<Record<FaultPhase, readonly ProfileName[]>>>;
  /** In the kernel of a machine, or on the way to one. */
  readonly layer: 'kernel' | 'wire';
  /** The oldest numbering of the device with a command that comes by; of the interface, its version. */
  readonly since: string;
  /** Keys of a rule that are for this point among those of the interface. */
  readonly takes: readonly string[];
}

/** The catalogue: the points of a machine's kernel, and those of the interface to it. */
export const FAULT_POINTS: readonly FaultPointInfo[] = [
  ...INJECT_POINTS.map((info): FaultPointInfo => ({ ...info, layer: 'kernel', since: 'M1', takes: [] })),
  ...WIRE_POINTS.map(
    (info): FaultPointInfo => ({
      ...info,
      phases: ['wire'],
      profiles: { wire: PROFILE_NAMES },
      sleeps: false,
      layer: 'wire',
      since: 'protocol 1',
    }),
  ),
];

/** Of that name; undefined when there is none. */
export function faultPoint(name: string | undefined): FaultPointInfo | undefined {
  return FAULT_POINTS.find((info) => info.name === name);
}
