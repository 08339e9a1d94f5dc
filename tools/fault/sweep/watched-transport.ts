import type { Watch } from '../../../driver/check/index.js';
import { type CallArg, type CallResult, InProcessTransport } from '../../../index.js';
import type { CallLog } from './call-log.js';

/** How a transport takes part in a run that is logged. */
export interface LoggedRun {
  readonly log: CallLog;
  /** No call is under way on any machine of the run. */
  isAtRest(): boolean;
}

/** What RELEASE waits for while pages of a chunk are in use. */
export const DRAIN = 'the pages of a device chunk';

/** A transport to a machine whose calls are all watched, and with `logged` written down or repeated. */
export class WatchedTransport extends InProcessTransport {
  /** Calls that were issued and have not come back. */
  readonly pendingCalls = new Map<number, { name: string; tid: number }>();
  private nextId = 0;
  private isRetired = false;
  /** Counts results, so that whoever waits sees whether anything still happens. */
  activity = 0;

  constructor(
    readonly watch: Watch,
    private readonly logged: LoggedRun | null = null,
  ) {
    super(watch.machine);
  }

  /** The machine goes back to its pool: whoever still holds the transport, as a case that failed half way may, has lost it. */
  retire(): void {
    this.isRetired = true;
  }

  override createProcess(): Promise<number> {
    if (this.isRetired) return over();
    if (this.logged === null) return super.createProcess();
    const { log } = this.logged;
    if (log.isParked) return never();
    if (log.isReplaying) return Promise.resolve(log.replayProcess());
    const { pid } = this.machine.createProcess();
    log.process(pid);
    return Promise.resolve(pid);
  }

  override call(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    if (this.isRetired) return over();
    if (this.logged === null) return this.watched(tid, name, args);
    const { log } = this.logged;
    this.activity++;
    if (log.isReplaying) return log.replayCall(tid, name);
    if (!log.isParked && this.logged.isAtRest()) log.rest();
    return log.isParked ? never() : this.writtenDown(log, { tid, name, args });
  }

  private async writtenDown(
    log: CallLog,
    { tid, name, args }: { tid: number; name: string; args: CallArg[] },
  ): Promise<CallResult> {
    const issue = log.issue(tid, name);
    const result = await this.watched(tid, name, args);
    log.done(issue, result);
    return result;
  }

  /** A device page that a fault keeps from leaving holds RELEASE up, as it would in Linux (Q13). */
  private isHeldUp(error: Error): boolean {
    const isRelease = error.message.includes(`in RELEASE waits for ${DRAIN}`);
    return isRelease && this.machine.kernel.inject.fired.some(({ command }) => command === 'RELEASE');
  }

  private async watched(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    const id = this.nextId++;
    const call = this.watch.before(tid, name, args);
    this.pendingCalls.set(id, { name, tid });
    this.activity++;
    try {
      const result = await super.call(tid, name, args);
      this.watch.after(call, result);
      return result;
    } catch (error) {
      const isMachineError = error instanceof Error && error.name === 'MachineError';
      if (isMachineError && !this.isHeldUp(error)) this.watch.caught(error, name);
      throw error;
    } finally {
      this.pendingCalls.delete(id);
      this.activity++;
    }
  }
}

function never(): Promise<never> {
  return new Promise(() => {});
}

function over(): Promise<never> {
  return Promise.reject(new Error('this run is over'));
}
