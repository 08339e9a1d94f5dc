import { Replayer } from '../../tests/conform/replay.js';
import type { PathName } from '../../uapi/path-name.js';
import { recordingInput } from '../conform/recording-input.js';
import { UsageError } from '../exit-code.js';
import { judgeOps, OPS_TOKEN } from '../series/ops-run.js';
import { MachineRecorders, type RecordedRun, type RecordOptions } from './recorded-run.js';

/** A sequence of a recording of a real kernel. */
export interface SequenceId {
  readonly file: string;
  readonly seq: string;
  readonly path: PathName;
}

/** Replays a sequence up to the first answer that differs. Throws UsageError where there is none of that name. */
export function recordSequence({ file, seq, path }: SequenceId, options: RecordOptions): RecordedRun {
  const { sequences } = recordingInput(file, 'the recording that the report is of is to be where it was');
  const sequence = sequences.find((of) => of.seq === seq);
  if (sequence === undefined) throw new UsageError(`${file} has no sequence '${seq}'`, 'it is of another recording');
  const recorders = new MachineRecorders(options);
  const divergence = new Replayer({ path, onMachine: recorders.see }).replay(sequence);
  const differs = divergence === null ? null : `op ${divergence.at + 1} differs: ${divergence.op}`;
  return {
    title: `sequence ${seq} on ${path}`,
    recording: recorders.end(),
    outcome: divergence === null ? 'every answer as recorded' : `${divergence.actual}, recorded ${divergence.expected}`,
    findings: differs === null ? [] : [differs],
  };
}

/** Ops up to the first after which something must not be. */
export function recordOpsToken(token: string, options: RecordOptions): RecordedRun {
  const id = OPS_TOKEN.read(token);
  const recorders = new MachineRecorders(options);
  const judged = judgeOps(id, recorders.see);
  const found = judged === null ? [] : [`${judged.violation.kind}: ${judged.violation.message}`];
  return {
    title: `${id.ops.length} ops on ${id.path}: ${id.ops.join('; ')}`,
    recording: recorders.end(),
    outcome: judged === null ? 'nothing is wrong' : `op ${judged.at + 1}: ${id.ops[judged.at]}`,
    findings: found,
  };
}
