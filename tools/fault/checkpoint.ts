import type { Arena } from '../../driver/check/arena.js';
import type { MachineOptions } from '../../driver/sys/machine/machine-options.js';
import type { SelftestCase } from '../../tests/selftests/case.js';
import { CallLog } from './call-log.js';
import { FaultTransport, type LoggedRun } from './fault-transport.js';
import type { MachinePool, PooledMachine } from './machine-pool.js';
import { Snapshot } from './snapshot.js';
import type { CaseRun } from './sweep/run-case.js';
import type { Watch } from './watch.js';

/** A place in the clean run of a case, from which other runs can begin. */
export interface Checkpoint {
  readonly log: CallLog;
  readonly machines: readonly { readonly pooled: PooledMachine; readonly watch: Watch }[];
  readonly snapshot: Snapshot;
}

/** The machines of one run of a case. */
export class Boots {
  readonly booted: FaultTransport[] = [];
  readonly log: CallLog | null;
  private readonly logged: LoggedRun | null;

  constructor(
    private readonly pool: MachinePool,
    private readonly run: CaseRun,
  ) {
    const { from, onRest } = run;
    this.log = from?.log.copy() ?? (onRest === undefined ? null : new CallLog());
    if (this.log !== null) this.log.onRest = (rest) => onRest?.(rest, this.booted);
    this.logged = this.log === null ? null : { log: this.log, isAtRest: () => this.booted.every(isAtRest) };
  }

  readonly boot = async (options: object = {}): Promise<FaultTransport> => {
    if (this.log?.isParked) return await new Promise(() => {});
    const { path, machine, seed, rules = [], counts = false, defects = [], from } = this.run;
    const before = from?.machines[this.booted.length];
    const all: Partial<MachineOptions> = { checkInvariants: 'touched', ...options, ...machine, seed, path };
    const pooled = before?.pooled ?? this.pool.take(all, { rules, counts, defects });
    const transport = new FaultTransport(pooled, before?.watch, this.logged);
    transport.machine.kernel.inject.tracesPaths = this.run.tracesPaths ?? true;
    this.booted.push(transport);
    this.run.onBoot?.(transport);
    return transport;
  };
}

function isAtRest({ pendingCalls, machine }: FaultTransport): boolean {
  return pendingCalls.size === 0 && machine.kernel.scheduler.isAtRest;
}

/**
 * Runs a case without faults, from an earlier place on if there is one, to its call `rest` at rest. Null when it ends
 * before. The machines of `from` are those of the answer; `arena` holds what the answer keeps and nothing of `from`.
 */
export async function advance(
  pool: MachinePool,
  testCase: SelftestCase,
  {
    rest,
    arena,
    ...run
  }: Pick<CaseRun, 'path' | 'machine' | 'seed' | 'defects' | 'from'> & { rest: number; arena: Arena },
): Promise<Checkpoint | null> {
  run.from?.snapshot.restore();
  const boots = new Boots(pool, { ...run, counts: true, onRest: () => {} });
  const { booted } = boots;
  const log = boots.log!;
  const parked = log.park(rest).then(() => true);
  const ended = testCase.run({ boot: boots.boot, seed: run.seed, path: run.path }).then(
    () => false,
    () => false,
  );
  if (!(await Promise.race([parked, ended]))) return null;
  const machines = booted.map(({ pooled, watch }) => ({ pooled, watch }));
  return { log, machines, snapshot: new Snapshot(machines, arena) };
}

/** Goes through the clean run of a case, from one checkpoint to the next. */
export class CaseWalk {
  at: Checkpoint | null = null;
  /** What it took to get there. */
  work = 0;

  constructor(
    private readonly pool: MachinePool,
    private readonly arenas: readonly [Arena, Arena],
    private readonly caseRun: (more: Partial<CaseRun>) => [SelftestCase, CaseRun],
  ) {}

  /** On to the call `rest`, which is behind all that were asked for before. A case that does not get there stays where it is. */
  async to({ rest, work }: { rest: number; work: number }): Promise<void> {
    this.work = work;
    const [arena] = this.arenas.filter((one) => one !== this.at?.snapshot.arena);
    arena!.reset();
    const [testCase, run] = this.caseRun(this.at === null ? {} : { from: this.at });
    this.at = (await advance(this.pool, testCase, { ...run, rest, arena: arena! })) ?? this.at;
  }

  /** The machines go back to their pool. */
  end(): void {
    for (const { pooled } of this.at?.machines ?? []) this.pool.give(pooled, true);
    this.at = null;
  }
}
