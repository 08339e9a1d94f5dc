import { Recorder, type RecorderOptions, type Recording } from '../../driver/recording/index.js';
import type { Machine } from '../../driver/sys/machine/machine.js';

/** A run that was made again and written down. */
export interface RecordedRun {
  /** What was run, in words. */
  readonly title: string;
  readonly recording: Recording;
  /** What it came to. */
  readonly outcome: string;
  /** The last step of what is run; what comes behind only looks at what came of it. Of all unless given. */
  readonly last?: number;
  /** What must not be. */
  readonly findings: readonly string[];
}

/** What a run came to that had no room to be written down to its end is not known. */
export function asFarAsKnown(run: RecordedRun): RecordedRun {
  if (!run.recording.isCut) return run;
  return { ...run, outcome: `not known: ${CUT} (--max-memory)`, findings: [] };
}

export const CUT = 'what is written down of the run takes all the memory that it may';

/** What to record, and how. */
export interface RecordOptions extends RecorderOptions {
  /** Which of the machines of a case, from 1; without, the one in which something was found, else the last. */
  readonly machine?: number | undefined;
  /** The schedule of a token was written down on another path. */
  readonly isMoved?: boolean;
}

/** Records each machine of a run that boots several. */
export class MachineRecorders {
  private readonly recorders = new Map<Machine, Recorder>();

  constructor(private readonly options: RecordOptions) {}

  /** From now on, unless it was seen before. */
  readonly see = (machine: Machine): void => {
    if (!this.recorders.has(machine)) this.recorders.set(machine, new Recorder(machine, this.options));
  };

  /** Ends all, and answers the one that is wanted: that of which `isWrong`, unless the options say which. */
  end(isWrong: (machine: Machine) => boolean = () => false): Recording {
    const ended = [...this.recorders].map(([machine, recorder]) => ({ machine, recording: recorder.end() }));
    const asked = this.options.machine === undefined ? undefined : ended[this.options.machine - 1];
    const found = asked ?? ended.find(({ machine }) => isWrong(machine)) ?? ended.at(-1);
    if (found === undefined) throw new Error('the run made no machine');
    return found.recording;
  }
}
