import { PctPolicy } from '../../driver/explore/index.js';
import type { Tier } from '../../driver/guest/index.js';
import { UsageError } from '../exit-code.js';
import { shellQuote } from '../glob.js';
import type { Output } from '../output.js';
import { openTrace, type TraceOptions } from '../trace/trace-option.js';
import { NodeHost, readProgram } from './exec-host.js';
import { GUEST_TOKEN, type GuestSetup, type PctSchedule, printOfProgram } from './guest-token.js';
import { type ProgramRun, runProgram } from './run-program.js';

const DEPTH = 3;
/** Of the first schedule, when nobody knows yet. */
const FIRST_STEPS = 100;

/** A program on its own, as what comes from outside is not repeated: there is no input. */
class LoneHost extends NodeHost {
  constructor() {
    super(false);
  }

  override read(): Uint8Array {
    return new Uint8Array(0);
  }
}

/** Keeps what a program says, for the schedule that fails. */
export class QuietHost extends LoneHost {
  private readonly said: { readonly fd: 1 | 2; readonly bytes: Uint8Array }[] = [];

  override write(fd: 1 | 2, bytes: Uint8Array): void {
    this.said.push({ fd, bytes: bytes.slice() });
  }

  override say(line: string): void {
    this.write(2, new TextEncoder().encode(`${line}\n`));
  }

  text(): string {
    return Buffer.concat(this.said.map(({ bytes }) => bytes)).toString('latin1');
  }

  /** Says all of it now. */
  flush(): void {
    for (const { fd, bytes } of this.said.splice(0)) super.write(fd, bytes);
  }
}

type LoneRun = Pick<ProgramRun, 'host' | 'timeout' | 'deadline' | 'trace' | 'onMachine'>;

interface LoneProgram {
  readonly policy: PctPolicy;
  readonly program: ReturnType<typeof readProgram>;
  run(more: LoneRun): Promise<number>;
}

/** The program with nothing of our environment, under one schedule. */
function lone(binary: string, setup: GuestSetup, schedule: PctSchedule): LoneProgram {
  const policy = new PctPolicy(schedule.seed, schedule);
  const program = readProgram(binary, setup, {});
  const run = (more: LoneRun): Promise<number> =>
    runProgram(program, { setup, seed: schedule.seed, scheduler: policy, ...more });
  return { policy, program, run };
}

/** Runs the program under `count` schedules and stops at the first that does not end with 0; then says what the program said, and its token. */
export async function runSchedules(
  binary: string,
  setup: GuestSetup,
  {
    count,
    seed,
    ...limits
  }: { count: number; seed: number; timeout: number | undefined; deadline: number; tier: Tier },
  { err, progress, stop }: Pick<Output, 'err' | 'progress' | 'stop'>,
): Promise<number> {
  let steps = FIRST_STEPS;
  let measure = { tasks: 1, steps, guarantee: 1 };
  let done = 0;
  for (; done < count && !(await stop.look()); done++) {
    progress.update({ done, total: count, failed: 0, name: 'schedules' });
    const schedule = { seed: seed + done, depth: DEPTH, steps };
    const host = new QuietHost();
    const { policy, program, run } = lone(binary, setup, schedule);
    const status = await run({ host, ...limits });
    if (status !== 0) {
      progress.clear();
      host.flush();
      const token = GUEST_TOKEN.write({ ...setup, program: printOfProgram(program.bytes), schedule });
      err(`dmirror exec: schedule ${done + 1} of ${count} ends with ${status}; it runs again with`);
      err(`  dmirror explore replay ${shellQuote(token)} ${shellQuote(binary)}`);
      return status;
    }
    measure = policy.measure;
    steps = measure.steps;
  }
  progress.clear();
  const chance = measure.guarantee.toExponential(1);
  if (stop.isRequested) err('# interrupted');
  err(
    `dmirror exec: ${done} schedules end with 0 (${measure.tasks} tasks, ${steps} steps of the kernel; each shows a bug of depth ${DEPTH} in their order with a chance of at least ${chance}, and nothing is said of the program's own steps)`,
  );
  return 0;
}

/** The run that a token names. Throws UsageError. */
export function guestOfToken(token: string, binary: string | undefined): LoneProgram {
  const { program: print, schedule, ...setup } = GUEST_TOKEN.read(token);
  if (binary === undefined)
    throw new UsageError('the token is of a program, whose path is missing', 'replay TOKEN PATH-OF-THE-PROGRAM');
  const lonely = lone(binary, setup, schedule);
  if (printOfProgram(lonely.program.bytes) !== print)
    throw new UsageError(
      `part 'program' of the token: '${binary}' is another program, or was built anew`,
      'give the one that the token was printed for',
    );
  return lonely;
}

/** Runs a program again under the schedule of a token; its exit status. */
export async function replayGuest(token: string, binary: string | undefined, options: TraceOptions): Promise<number> {
  return await guestOfToken(token, binary).run({ host: new LoneHost(), trace: openTrace(options, 'json') });
}
