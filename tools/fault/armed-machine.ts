import { Arena } from '../../driver/check/index.js';
import type { DefectName } from '../../driver/inject/defects.js';
import type { InjectRule } from '../../driver/inject/inject-engine.js';
import type { Machine } from '../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import type { MachinePool } from '../../driver/sys/machine/machine-pool.js';

const STEP_LIMIT = 2_000_000;

const arenas = new WeakMap<Machine, Arena>();

/** A machine in a new life with rules armed and bugs planted, and the memory that its calls answer in: as good as new too. */
export function takeArmed(
  pool: MachinePool,
  options: Partial<MachineOptions>,
  arm: { rules?: readonly InjectRule[]; counts?: boolean; defects: readonly DefectName[] },
): { machine: Machine; arena: Arena } {
  const machine = pool.take({ ...options, stepLimit: STEP_LIMIT });
  const arena = arenas.get(machine) ?? new Arena();
  arenas.set(machine, arena);
  arena.reset();
  machine.newAnswer = (sizeBytes) => arena.take(sizeBytes);
  const { inject, defects } = machine.kernel;
  for (const name of Object.keys(defects) as DefectName[]) defects[name] = arm.defects.includes(name);
  inject.arm(arm.rules ?? [], { seed: machine.seed, counts: arm.counts ?? false });
  return { machine, arena };
}
