import { Machine } from './machine.js';
import { completeOptions, type MachineOptions } from './machine-options.js';

/** Machines of one kind that are kept for the next life; more are left to the garbage collector. */
const KEPT_PER_KIND = 4;
/** Kinds of which machines are kept; those of the kind that was used longest ago make room. */
const KEPT_KINDS = 16;

/**
 * Machines between two lives. A reset costs what the old life used, a new machine its tables of frames; so who runs many
 * short lives takes machines from here and gives them back. The pool is its owner's: there is none by itself.
 */
export class MachinePool {
  private readonly idle = new Map<string, Machine[]>();

  /** A machine as new, with these options. */
  take(options: Partial<MachineOptions> = {}): Machine {
    const all = completeOptions(options);
    // A policy is its owner's, and knows what it has seen: no other life of a machine has it.
    if (typeof all.scheduler !== 'string') return new Machine(options);
    const machine = this.idle.get(kindOf(all))?.pop();
    if (machine === undefined) return new Machine(options);
    machine.reset(all.seed);
    return machine;
  }

  /** Takes back a machine that nobody uses any more, in whatever state its life ended. */
  give(machine: Machine): void {
    machine.listen(null);
    machine.refusesIoctl = null;
    machine.newAnswer = null;
    machine.onCommand = null;
    machine.maxThreadsOfOwner = null;
    if (typeof machine.options.scheduler !== 'string') return;
    const kind = kindOf(machine.options);
    const machines = this.idle.get(kind) ?? [];
    if (machines.length < KEPT_PER_KIND) machines.push(machine);
    this.idle.delete(kind);
    this.idle.set(kind, machines);
    if (this.idle.size > KEPT_KINDS) this.idle.delete(this.idle.keys().next().value!);
  }
}

/** Machines of one kind differ in their seed only. */
function kindOf(options: MachineOptions): string {
  const { seed: _, ...kind } = options;
  return JSON.stringify(Object.entries(kind).sort(([a], [b]) => (a < b ? -1 : 1)));
}
