import { PctPolicy } from '../../driver/explore/index.js';
import { UsageError } from '../exit-code.js';
import { shellQuote } from '../glob.js';
import type { Output } from '../output.js';
import { NodeHost } from './exec-host.js';

/** Where a schedule comes from; `pct:SEED:DEPTH:STEPS` on the command line. */
export interface PctSchedule {
  readonly seed: number;
  readonly depth: number;
  readonly steps: number;
}

const DEPTH = 3;
/** Of the first schedule, when nobody knows yet. */
const FIRST_STEPS = 100;

/** The schedule that `text` names. Throws UsageError. */
export function parseSchedule(text: string): PctSchedule {
  const found = /^pct:(\d+):(\d+):(\d+)$/.exec(text);
  const [seed, depth, steps] = (found ?? []).slice(1).map(Number);
  if (found === null || !depth || !steps)
    throw new UsageError(`'${text}' is no schedule`, 'as `exec --schedules` prints it: pct:SEED:DEPTH:STEPS');
  return { seed: seed!, depth, steps };
}

function scheduleText({ seed, depth, steps }: PctSchedule): string {
  return `pct:${seed}:${depth}:${steps}`;
}

/** Keeps what a program says, for the schedule that fails. */
export class QuietHost extends NodeHost {
  private readonly said: { readonly fd: 1 | 2; readonly bytes: Uint8Array }[] = [];

  constructor() {
    super(false);
  }

  override write(fd: 1 | 2, bytes: Uint8Array): void {
    this.said.push({ fd, bytes: bytes.slice() });
  }

  override read(): Uint8Array {
    return new Uint8Array(0);
  }

  override say(line: string): void {
    this.write(2, new TextEncoder().encode(`${line}\n`));
  }

  /** Says all of it now. */
  flush(): void {
    for (const { fd, bytes } of this.said.splice(0)) super.write(fd, bytes);
  }
}

/**
 * Runs the program under `count` schedules and stops at the first that does not end with 0; then says what the program said, and what
 * repeats it. `run` answers the exit status.
 */
export async function runSchedules(
  run: (policy: PctPolicy, host: QuietHost) => Promise<number>,
  { count, seed, command }: { readonly count: number; readonly seed: number; readonly command: readonly string[] },
  { err, progress, stop }: Pick<Output, 'err' | 'progress' | 'stop'>,
): Promise<number> {
  let steps = FIRST_STEPS;
  let last = new PctPolicy(seed, { depth: DEPTH, steps });
  let done = 0;
  for (; done < count && !(await stop.look()); done++) {
    progress.update({ done, total: count, failed: 0, name: 'schedules' });
    const schedule = { seed: seed + done, depth: DEPTH, steps };
    const host = new QuietHost();
    last = new PctPolicy(schedule.seed, schedule);
    const status = await run(last, host);
    if (status !== 0) {
      progress.clear();
      host.flush();
      err(`dmirror exec: schedule ${done + 1} of ${count} ends with ${status}; it runs again with`);
      err(`  dmirror exec --schedule ${scheduleText(schedule)} ${command.map(shellQuote).join(' ')}`);
      return status;
    }
    steps = last.measure.steps;
  }
  progress.clear();
  const { tasks, guarantee } = last.measure;
  const chance = guarantee.toExponential(1);
  if (stop.isRequested) err('# interrupted');
  err(
    `dmirror exec: ${done} schedules end with 0 (${tasks} tasks, ${steps} steps; each shows a bug of depth ${DEPTH} with a chance of at least ${chance})`,
  );
  return 0;
}
