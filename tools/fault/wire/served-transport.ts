import { emptyMachine, type Watch } from '../../../driver/check/index.js';
import { type CallArg, type CallResult, ProtocolError, type Transport } from '../../../index.js';
import { type Issued, ServedDoor } from '../plans/plan-door.js';
import { MAIN_SESSION } from '../plans/plan-words.js';
import type { Served } from './served.js';

interface Waiting {
  readonly issued: Issued;
  resolve(result: CallResult): void;
  reject(error: Error): void;
}

/** Carries the calls of a case to a machine that is served in this thread. What is issued in one turn arrives together. */
export class ServedTransport implements Transport {
  /** Counts calls and results, so that whoever waits sees whether anything still happens. */
  activity = 0;
  private readonly door: ServedDoor;
  private waiting: Waiting[] = [];
  private isScheduled = false;

  constructor(
    readonly served: Served,
    readonly watch: Watch,
  ) {
    this.door = new ServedDoor(served, watch);
  }

  async createProcess(): Promise<number> {
    this.activity++;
    const { process, error } = this.door.newProcess(MAIN_SESSION);
    if (process === null) throw protocolError(error);
    return process.pid;
  }

  call(tid: number, name: string, args: CallArg[]): Promise<CallResult> {
    this.activity++;
    const thread = this.served.machine.threadByTid(tid);
    // Whose session is lost has no threads any more.
    if (thread === null) return Promise.reject(protocolError('disconnected'));
    const issued = this.door.issue({ thread, name, args });
    if (!this.isScheduled) {
      this.isScheduled = true;
      queueMicrotask(() => this.run());
    }
    return new Promise((resolve, reject) => this.waiting.push({ issued, resolve, reject }));
  }

  async close(): Promise<void> {
    this.served.sessions.get(MAIN_SESSION)?.drop();
    this.door.run();
  }

  private run(): void {
    this.isScheduled = false;
    this.door.run();
    const all = this.waiting;
    this.waiting = all.filter(({ issued }) => issued.result === null && issued.error === null);
    for (const { issued, resolve, reject } of all) {
      // A client believes what comes first; of a doubled frame that is the error.
      if (issued.error !== null) reject(protocolError(issued.error));
      else if (issued.result !== null) resolve(issued.result);
      else continue;
      this.activity++;
    }
  }
}

function protocolError(code: string | null): ProtocolError {
  return new ProtocolError((code ?? 'disconnected') as ProtocolError['code'], 'as the plan wants it');
}

/** All sessions go, and then nothing of them may be left. */
export function endSessions(served: Served, watch: Watch): void {
  const { machine } = served;
  machine.kernel.inject.disarm();
  if (watch.violations.length > 0) return;
  try {
    watch.checkAll('the end');
    for (const session of served.sessions.values()) session.drop();
    if (!served.run()) watch.violated('stuck', 'the machine never comes to rest', { after: 'the end' });
    const orphans = machine.allProcesses().filter(({ owner }) => owner > 0);
    if (orphans.length > 0)
      watch.violated('session', `${orphans.length} processes outlive their session`, { after: 'the end' });
    emptyMachine(machine, watch, 'the end');
    for (const failure of served.failures.splice(0)) watch.violated('machine', failure, { after: 'the end' });
  } catch (error) {
    watch.caught(error, 'the exit of all processes');
  }
}
