// The public face of the package: the client library, the machine, and the transport that joins them in one Node process.

import type { RunResult } from './driver/core/scheduler.js';
import { Machine } from './driver/sys/machine/machine.js';
import type { MachineOptions } from './driver/sys/machine/machine-options.js';
import type { MachinePool } from './driver/sys/machine/machine-pool.js';
import type { Transport } from './uapi/client/transport.js';
import type { CallArg, CallResult } from './uapi/syscall.js';

export type { BlockedTask, RunResult } from './driver/core/scheduler.js';
export { Machine } from './driver/sys/machine/machine.js';
export type { MachineOptions } from './driver/sys/machine/machine-options.js';
export { MachinePool } from './driver/sys/machine/machine-pool.js';
export { type ConnectOptions, connect } from './uapi/client/connect.js';
export {
  type CommandResult,
  type DataResult,
  Dmirror,
  type DmirrorOptions,
  UnknownCommandError,
} from './uapi/client/dmirror.js';
export { GUP_TEST_PATH, GupTestFile } from './uapi/client/gup.js';
export { Memory } from './uapi/client/memory.js';
export { type ForkResult, type MmapOptions, Process, Thread, type WaitResult } from './uapi/client/thread.js';
export { SignalError, SyscallError, type Transport } from './uapi/client/transport.js';
export { ProtocolError, WireTransport } from './uapi/client/wire-transport.js';
export { type CommandName, type Dialect, dialectByName, dialectIds } from './uapi/dialect.js';
export { errnoByName, errnoName } from './uapi/errno.js';
export type { CallArg, CallResult } from './uapi/syscall.js';

/** The machine can't go on: a deadlock, its step limit, or an assertion of its own (`cause`). */
export class MachineError extends Error {
  override readonly name = 'MachineError';
}

const CLOSED = 'the transport is closed';

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
        resolve(result);
      };
      this.schedule();
    });
  }

  createProcess(): Promise<number> {
    return Promise.resolve(this.machine.createProcess().pid);
  }

  /** Throws when the machine does not hold together, so that a test can't pass over it. */
  async close(): Promise<void> {
    const isClosed = this.broken?.message === CLOSED;
    if (!this.broken) this.machine.checkInvariants();
    this.broken ??= new MachineError(CLOSED);
    this.rejectPending(this.broken);
    if (!isClosed) this.pool?.give(this.machine);
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
      const error = describeEnd(this.machine.run());
      if (error) this.fail(new MachineError(error));
    } catch (error) {
      this.fail(new MachineError(error instanceof Error ? error.message : String(error), { cause: error }));
    }
  }

  private fail(error: MachineError): void {
    this.broken = error;
    this.rejectPending(error);
  }

  private rejectPending(error: Error): void {
    for (const { reject } of this.pending) reject(error);
    this.pending.clear();
  }
}

/** Why a machine that ended its run so can't go on; undefined when it can. Tasks that wait for no one's lock wait for a later call. */
function describeEnd(result: RunResult): string | undefined {
  if (result.reason === 'step-limit') return `the step limit was reached after ${result.steps} steps`;
  const stuck = result.blocked.filter((task) => task.ownedBy !== null);
  if (result.reason !== 'deadlock' || stuck.length === 0) return undefined;
  const lines = stuck.map(({ task, waitsFor, ownedBy }) => `${task} waits for ${waitsFor}, which ${ownedBy} holds`);
  return `deadlock: ${lines.join('; ')}`;
}

/** A machine in this process, new or from `pool`, and the transport to it. */
export function inProcess(options: Partial<MachineOptions> = {}, pool: MachinePool | null = null): InProcessTransport {
  return new InProcessTransport(pool === null ? new Machine(options) : pool.take(options), pool);
}
