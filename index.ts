// The public face of the package: the client library, the machine, and the transport that joins them in one Node process.

import { Snapshot, type SnapshotOptions } from './driver/check/index.js';
import { Machine } from './driver/sys/machine/machine.js';
import type { MachineOptions } from './driver/sys/machine/machine-options.js';
import type { MachinePool } from './driver/sys/machine/machine-pool.js';
import type { Transport } from './uapi/client/transport.js';
import type { CallArg, CallResult } from './uapi/system-call.js';

export { END_RUN, type SchedulerPolicy } from './driver/core/policy.js';
export type { BlockedTask, DueEvent, RunResult } from './driver/core/scheduler.js';
export type { Task } from './driver/core/task.js';
export { Machine } from './driver/sys/machine/machine.js';

import { MachineError } from './driver/sys/machine/machine-error.js';

export type { MachineOptions } from './driver/sys/machine/machine-options.js';
export { MachinePool } from './driver/sys/machine/machine-pool.js';
export { type ConnectOptions, connect } from './uapi/client/connect.js';
export {
  type CommandResult,
  type DataResult,
  Dmirror,
  type DmirrorOptions,
  UnknownCommandError,
} from './uapi/client/dmirror-device.js';
export { GUP_TEST_PATH, GupTestFile } from './uapi/client/gup-test-file.js';
export { MappedMemory as Memory } from './uapi/client/mapped-memory.js';
export {
  type ForkResult,
  type MmapOptions,
  ProcessHandle as Process,
  ThreadHandle as Thread,
  type WaitResult,
} from './uapi/client/process-handle.js';
export { SignalError, SyscallError, type Transport } from './uapi/client/transport.js';
export { ProtocolError, WireTransport } from './uapi/client/wire-transport.js';
export { type CommandName, type Dialect, dialectByName, dialectIds } from './uapi/dialect.js';
export { errnoByName, errnoName } from './uapi/errno.js';
export type { CallArg, CallResult } from './uapi/system-call.js';
export { MachineError };

interface PendingCall {
  resolve(result: CallResult): void;
  reject(error: unknown): void;
}

/**
 * Carries calls to a machine in this Node process. A call is queued at once and the machine runs in one microtask for all calls that
 * were issued before it; so calls issued without awaiting in between run at the same time, under the machine's seeded scheduler.
 */
export class InProcessTransport implements Transport {
  readonly machine: Machine;
  readonly dialect: string;
  private readonly pending = new Set<PendingCall>();
  private scheduled = false;
  private broken: Error | undefined;
  private isClosed = false;

  /** `pool` gets the machine back when the transport is closed. */
  constructor(
    machine: Machine,
    private readonly pool: MachinePool | null = null,
  ) {
    this.machine = machine;
    this.dialect = machine.options.dialect;
  }

  call(tid: number, name: string, args: CallArg[], into?: Uint8Array): Promise<CallResult> {
    return new Promise((resolve, reject) => {
      if (this.broken) throw this.broken;
      const thread = this.machine.threadByTid(tid);
      if (!thread) throw new Error(`no thread ${tid}`);
      const call = this.machine.start(thread, name, args);
      call.into = into;
      // A thread that is dead answers at once.
      if (call.result) return resolve(call.result);
      const pending = { resolve, reject };
      this.pending.add(pending);
      call.onDone = (result) => {
        this.pending.delete(pending);
        const { seed, trace } = this.machine;
        if (result.stuck === undefined) resolve(result);
        else reject(new MachineError(result.stuck, seed, trace.recent()));
      };
      this.schedule();
    });
  }

  createProcess(): Promise<number> {
    return Promise.resolve(this.machine.createProcess().pid);
  }

  /** The machine as it is now, to go back to; no call may be under way. What clients know of it is theirs to take back. */
  snapshot(options: SnapshotOptions = {}): Snapshot {
    return new Snapshot(this.machine, options);
  }

  /** Throws when the machine does not hold together, so that a test can't pass over it. */
  async close(): Promise<void> {
    if (!this.broken) this.machine.checkInvariants();
    this.broken ??= new Error('the transport is closed');
    this.rejectPending(this.broken);
    if (!this.isClosed) this.pool?.give(this.machine);
    this.isClosed = true;
  }

  private schedule(): void {
    if (this.scheduled) return;
    this.scheduled = true;
    queueMicrotask(() => {
      this.scheduled = false;
      this.run();
    });
  }

  private run(): void {
    if (this.broken) return;
    try {
      const error = this.machine.errorOf(this.machine.run());
      if (error !== null) throw error;
    } catch (error) {
      this.broken = error instanceof Error ? error : new Error(String(error));
      this.rejectPending(this.broken);
    }
  }

  private rejectPending(error: Error): void {
    for (const { reject } of this.pending) reject(error);
    this.pending.clear();
  }
}

/** A machine in this process, new or from `pool`, and the transport to it. */
export function inProcess(options: Partial<MachineOptions> = {}, pool: MachinePool | null = null): InProcessTransport {
  return new InProcessTransport(pool === null ? new Machine(options) : pool.take(options), pool);
}
