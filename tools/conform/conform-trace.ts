import { eventLine } from '../../driver/trace/trace-text.js';
import { Replayer, type ReplayObserver } from '../../tests/conform/replay.js';
import { shorten } from './conform-report.js';
import { type ReplayTask, replayOne, type SequenceResult } from './conform-worker.js';

/** Replays one sequence and prints each op, what the machine does in it, and both answers. */
export function replayTraced(
  task: ReplayTask,
  { invariants, out }: { invariants: boolean; out: (line: string) => void },
): SequenceResult {
  const { path, sequence } = task;
  let at = 0;
  const observer: ReplayObserver = {
    op(index, line) {
      at = index;
      out(`${sequence.seq} op ${index + 1}: ${line}`);
    },
    event: (event) => out(`    ${eventLine(event)}`),
    answer(text) {
      const expected = sequence.steps[at]![1];
      if (text === expected || expected === '-') out(shorten(`  = ${text}`));
      else out(`  ! kernel:  ${expected}\n    dmirror: ${text}`);
    },
  };
  return replayOne(new Replayer({ path, checkInvariants: invariants, observer }), task);
}
