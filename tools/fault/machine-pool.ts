import type { DefectName } from '../../driver/core/defects.js';
import type { FaultRule } from '../../driver/core/fault-engine.js';
import { Machine } from '../../driver/sys/machine.js';
import type { MachineOptions } from '../../driver/sys/machine-options.js';
import { InProcessTransport } from '../../index.js';
import type { CallArg, CallResult } from '../../uapi/client/transport.js';
import { Watch } from './watch.js';

const STEP_LIMIT = 2_000_000;

/** A transport to a machine whose calls are all watched. */
export class FaultTransport extends InProcessTransport {
  readonly watch: Watch;
  /** Calls that were issued and have not come back. */
  readonly pendingCalls = new Map<number, { name: string; tid: number }>();
  private nextId = 0;
  /** Counts results, so that whoever waits sees whether anything still happens. */
  activity = 0;

  constructor(machine: Machine) {
    super(machine);
    this.watch = new Watch(machine);
  }

  override async call(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    const id = this.nextId++;
    const call = this.watch.before(tid, name, args);
    this.pendingCalls.set(id, { name, tid });
    this.activity++;
    try {
      const result = await super.call(tid, name, args);
      this.watch.after(call, result);
      return result;
    } catch (error) {
      if (error instanceof Error && error.name === 'MachineError') this.watch.caught(error, name);
      throw error;
    } finally {
      this.pendingCalls.delete(id);
      this.activity++;
    }
  }
}

/** Machines that are used again and again: a reset costs what was touched. */
export class MachinePool {
  private readonly idle = new Map<string, Machine[]>();
  private readonly keys = new WeakMap<Machine, string>();

  take(
    options: Partial<MachineOptions>,
    arm: { rules: readonly FaultRule[]; counts: boolean; defects: readonly DefectName[] },
  ): Machine {
    const { seed = 1, ...rest } = options;
    const key = JSON.stringify(rest);
    let machine = this.idle.get(key)?.pop();
    if (machine === undefined) {
      machine = new Machine({ ...options, stepLimit: STEP_LIMIT });
      this.keys.set(machine, key);
    }
    machine.reset(seed);
    machine.trace.listen(null);
    const { faults, defects } = machine.kernel;
    for (const name of Object.keys(defects) as DefectName[]) defects[name] = arm.defects.includes(name);
    faults.arm(arm.rules, { seed, counts: arm.counts });
    return machine;
  }

  /** Gives a machine back; one that broke is dropped. */
  give(machine: Machine, isSound: boolean): void {
    const key = this.keys.get(machine);
    if (key === undefined || !isSound) return;
    machine.kernel.faults.reset();
    const idle = this.idle.get(key);
    if (idle === undefined) this.idle.set(key, [machine]);
    else idle.push(machine);
  }
}
