import type { DefectName } from '../../driver/core/defects.js';
import type { FaultRule } from '../../driver/core/fault-engine.js';
import { Machine } from '../../driver/sys/machine.js';
import type { MachineOptions } from '../../driver/sys/machine-options.js';
import { InProcessTransport } from '../../index.js';
import type { CallArg, CallResult } from '../../uapi/client/transport.js';
import { Arena } from './arena.js';
import { Watch } from './watch.js';

const STEP_LIMIT = 2_000_000;

/** A transport to a machine whose calls are all watched. */
export class FaultTransport extends InProcessTransport {
  readonly watch: Watch;
  /** To give back. */
  readonly pooled: PooledMachine;
  /** Calls that were issued and have not come back. */
  readonly pendingCalls = new Map<number, { name: string; tid: number }>();
  private nextId = 0;
  private isRetired = false;
  /** Counts results, so that whoever waits sees whether anything still happens. */
  activity = 0;

  constructor(pooled: PooledMachine) {
    super(pooled.machine);
    this.pooled = pooled;
    this.watch = new Watch(pooled.machine, pooled.arena);
  }

  /** The machine goes back to its pool: whoever still holds the transport, as a case that failed half way may, has lost it. */
  retire(): void {
    this.isRetired = true;
  }

  override async createProcess(): Promise<number> {
    this.assertUsed();
    return await super.createProcess();
  }

  override async call(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    this.assertUsed();
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

  private assertUsed(): void {
    if (this.isRetired) throw new Error('this run is over');
  }
}

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
    arm: { rules: readonly FaultRule[]; counts: boolean; defects: readonly DefectName[] },
  ): PooledMachine {
    const { seed = 1, ...rest } = options;
    const key = JSON.stringify(rest);
    const pooled = this.idle.get(key)?.pop() ?? newMachine(options);
    const { machine, arena } = pooled;
    this.keys.set(machine, key);
    arena.reset();
    machine.reset(seed);
    machine.trace.listen(null);
    const { faults, defects } = machine.kernel;
    for (const name of Object.keys(defects) as DefectName[]) defects[name] = arm.defects.includes(name);
    faults.arm(arm.rules, { seed, counts: arm.counts });
    return pooled;
  }

  /** Gives a machine back; one that broke is dropped. */
  give(pooled: PooledMachine, isSound: boolean): void {
    const key = this.keys.get(pooled.machine);
    if (key === undefined || !isSound) return;
    pooled.machine.kernel.faults.reset();
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
