import { type Arena, type Snapshot, Watch } from '../../../driver/check/index.js';
import type { MachineOptions } from '../../../driver/sys/machine/machine-options.js';
import type { MachinePool } from '../../../driver/sys/machine/machine-pool.js';
import type { SelftestCase } from '../../../tests/selftests/case.js';
import { takeArmed } from '../armed-machine.js';
import { CallLog } from './call-log.js';
import type { CaseRun } from './run-case.js';
import { type LoggedRun, WatchedTransport } from './watched-transport.js';

/** A place in the clean run of a case, from which other runs can begin. */
export interface Checkpoint {
  readonly log: CallLog;
  readonly watches: readonly Watch[];
  readonly snapshots: readonly Snapshot[];
  /** What the snapshots keep lies there. */
  readonly arena: Arena;
}

/** The machines of one run of a case. */
export class Boots {
  readonly booted: WatchedTransport[] = [];
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

  readonly boot = async (options: object = {}): Promise<WatchedTransport> => {
    if (this.log?.isParked) return await new Promise(() => {});
    const { path, machine, seed, rules = [], counts = false, defects = [], from } = this.run;
    const all: Partial<MachineOptions> = { checkInvariants: 'touched', ...options, ...machine, seed, path };
    const watch = from?.watches[this.booted.length] ?? this.newWatch(all, { rules, counts, defects });
    const transport = new WatchedTransport(watch, this.logged);
    transport.machine.kernel.inject.tracesPaths = this.run.tracesPaths ?? true;
    this.booted.push(transport);
    this.run.onBoot?.(transport);
    return transport;
  };

  private newWatch(options: Partial<MachineOptions>, arm: Parameters<typeof takeArmed>[2]): Watch {
    const { machine, arena } = takeArmed(this.pool, options, arm);
    return new Watch(machine, arena);
  }
}

function isAtRest({ pendingCalls, machine }: WatchedTransport): boolean {
  return pendingCalls.size === 0 && machine.kernel.scheduler.isAtRest;
}

/**
 * Runs a case without faults, from an earlier place on if there is one, to its call `rest` at rest. Null when it ends
 * before. The machines of `from` are those of the answer; `arena` holds what the answer keeps and nothing of `from`.
 */
async function advance(
  pool: MachinePool,
  testCase: SelftestCase,
  {
    rest,
    arena,
    ...run
  }: Pick<CaseRun, 'path' | 'machine' | 'seed' | 'defects' | 'from'> & { rest: number; arena: Arena },
): Promise<Checkpoint | null> {
  for (const snapshot of run.from?.snapshots ?? []) snapshot.restore();
  const boots = new Boots(pool, { ...run, counts: true, onRest: () => {} });
  const { booted } = boots;
  const log = boots.log!;
  const parked = log.park(rest).then(() => true);
  const ended = testCase.run({ boot: boots.boot, seed: run.seed, path: run.path }).then(
    () => false,
    () => false,
  );
  if (!(await Promise.race([parked, ended]))) return null;
  const watches = booted.map(({ watch }) => watch);
  return { log, watches, snapshots: booted.map((one) => one.snapshot({ watch: one.watch, arena })), arena };
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
    const [arena] = this.arenas.filter((one) => one !== this.at?.arena);
    arena!.reset();
    const [testCase, run] = this.caseRun(this.at === null ? {} : { from: this.at });
    this.at = (await advance(this.pool, testCase, { ...run, rest, arena: arena! })) ?? this.at;
  }

  /** The machines go back to their pool. */
  end(): void {
    for (const { machine } of this.at?.watches ?? []) this.pool.give(machine);
    this.at = null;
  }
}
