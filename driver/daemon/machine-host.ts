import type { Coroutine } from '../core/effect.js';
import type { Machine } from '../sys/machine/machine.js';
import { checkMachineOptions, completeOptions, type MachineOptions } from '../sys/machine/machine-options.js';
import { MachinePool } from '../sys/machine/machine-pool.js';
import { deadlocked, waitReport } from '../sys/machine/wait-report.js';
import type { Process } from '../sys/processes/process.js';

/** Wall time that one turn may keep the event loop from the sockets. */
const TURN_MS = 2;
/** A turn is not longer than this, however fast the host is. */
const TURN_STEPS = 1 << 20;

/** Who decides when a turn runs. Turns then are as long as there is work, so that nothing depends on how fast the host is. */
export interface Pace {
  soon(turn: () => void): void;
}

/** What happens around the machine's turns. */
export interface HostEvents {
  /** After each turn: calls may have ended. `wasCut`: some go on in the next one. */
  turned(wasCut: boolean): void;
  /** There is another machine now. */
  booted(): void;
  /** The machine can't go on, by a bug of ours; a new one stands in its place already. */
  failed(error: Error): void;
}

/**
 * The one machine that all sessions share. It runs in turns of a bounded length, and between two turns the sockets are served; so a
 * call that takes seconds holds up nobody.
 */
export class MachineHost {
  machine: Machine;
  private readonly pool = new MachinePool();
  private isScheduled = false;
  private isRunning = false;
  private turnStart = 0;
  private whenQuiet: (() => void)[] = [];
  /** Owners whose files a task removes. */
  private readonly removing = new Set<number>();

  constructor(
    private readonly options: Partial<MachineOptions>,
    private readonly events: HostEvents,
    private readonly pace: Pace | null = null,
  ) {
    this.machine = this.boot();
  }

  /** A new machine in the place of the present one, with some options of its own. Throws RangeError, and then there is one without them. */
  reboot(own: Partial<MachineOptions>): void {
    checkMachineOptions(completeOptions({ ...this.options, ...own }));
    this.pool.give(this.machine);
    this.whenQuiet = [];
    this.removing.clear();
    try {
      this.machine = this.boot(own);
    } catch (error) {
      // The host has no memory for what was asked.
      this.machine = this.boot();
      throw error;
    } finally {
      this.events.booted();
    }
  }

  /** There is work: runs a turn now, unless turns are under way. */
  kick(): void {
    if (this.isScheduled || this.isRunning) return;
    if (this.pace === null) this.turn();
    else this.schedule();
  }

  /** Calls `work` after what the event loop, or who sets the pace, has to do before. */
  later(work: () => void): void {
    if (this.pace === null) setImmediate(work);
    else this.pace.soon(work);
  }

  /** Calls `work` once no task is inside the kernel, other than in a sleep that only a later call can end. */
  onceQuiet(work: () => void): void {
    this.whenQuiet.push(work);
    this.kick();
  }

  /** Processes that belong to a session. */
  processesOf(owner: number): Process[] {
    return this.machine.allProcesses().filter((process) => process.owner === owner);
  }

  /** Starts to remove the files of a session without processes; true when there are none. */
  removeFilesOf(owner: number): boolean {
    if (this.removing.has(owner)) return false;
    const { vfs, sysvShm, kernel } = this.machine;
    if (!vfs.hasFilesOf(owner) && !sysvShm.hasOf(owner)) return true;
    this.removing.add(owner);
    const task = kernel.scheduler.newTask(`files of session ${owner}`);
    const remove = function* (): Coroutine<void> {
      yield* vfs.removeOf(owner);
      yield* sysvShm.removeOf(owner);
    };
    kernel.scheduler.start(task, remove(), () => this.removing.delete(owner));
    return false;
  }

  /** The running machine is given up, and a new one booted. */
  fail(error: Error): void {
    this.reboot({});
    this.events.failed(error);
  }

  private boot(own: Partial<MachineOptions> = {}): Machine {
    const machine = this.pool.take({ ...this.options, ...own });
    const { scheduler } = machine.kernel;
    scheduler.isPreemptive = true;
    scheduler.stepLimit = TURN_STEPS;
    scheduler.isOver = this.pace === null ? () => performance.now() - this.turnStart > TURN_MS : null;
    return machine;
  }

  private turn(): void {
    this.isScheduled = false;
    this.isRunning = true;
    let hasMore = false;
    try {
      hasMore = this.runTurn();
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.isRunning = false;
    }
    this.events.turned(hasMore);
    if (hasMore || this.machine.kernel.scheduler.hasRunnable) this.schedule();
  }

  private runTurn(): boolean {
    this.turnStart = performance.now();
    const result = this.machine.run();
    if (result.reason === 'step-limit') return true;
    // Whoever waits, even over others, for a task that waits for no one's lock may be freed by another client.
    const stuck = deadlocked(result.blocked, () => true);
    if (stuck.length > 0) throw new Error(`deadlock: ${waitReport(this.machine, stuck).replaceAll('\n', '; ')}`);
    if (this.whenQuiet.length > 0) for (const work of this.whenQuiet.splice(0)) work();
    return false;
  }

  private schedule(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    this.later(() => this.turn());
  }
}
