import { Arena } from '../../driver/check/arena.js';
import type { DefectName } from '../../driver/inject/defects.js';
import type { InjectRule } from '../../driver/inject/inject-engine.js';
import { Machine } from '../../driver/sys/machine/machine.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';

const STEP_LIMIT = 2_000_000;

/** A machine, and the memory that goes with it. */
export interface PooledMachine {
  readonly machine: Machine;
  readonly arena: Arena;
}

/** Machines that are used again and again: a reset costs what was touched. */
export class MachinePool {
  private readonly idle = new Map<string, PooledMachine[]>();
  private readonly keys = new WeakMap<Machine, string>();

  take(
    options: Partial<MachineOptions>,
    arm: { rules: readonly InjectRule[]; counts: boolean; defects: readonly DefectName[] },
  ): PooledMachine {
    const { seed = 1, ...rest } = options;
    const key = JSON.stringify(rest);
    const pooled = this.idle.get(key)?.pop() ?? newMachine(options);
    const { machine, arena } = pooled;
    this.keys.set(machine, key);
    arena.reset();
    machine.reset(seed);
    machine.trace.listen(null);
    const { inject, defects } = machine.kernel;
    for (const name of Object.keys(defects) as DefectName[]) defects[name] = arm.defects.includes(name);
    inject.arm(arm.rules, { seed, counts: arm.counts });
    return pooled;
  }

  /** Gives a machine back; one that broke is dropped. */
  give(pooled: PooledMachine, isSound: boolean): void {
    const key = this.keys.get(pooled.machine);
    if (key === undefined || !isSound) return;
    pooled.machine.kernel.inject.reset();
    const idle = this.idle.get(key);
    if (idle === undefined) this.idle.set(key, [pooled]);
    else idle.push(pooled);
  }
}

function newMachine(options: Partial<MachineOptions>): PooledMachine {
  const arena = new Arena();
  const machine = new Machine({ ...options, stepLimit: STEP_LIMIT });
  machine.newAnswer = (sizeBytes) => arena.take(sizeBytes);
  return { machine, arena };
}
