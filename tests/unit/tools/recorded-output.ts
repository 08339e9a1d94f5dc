import { EventEmitter } from 'node:events';
import { MemoryWatch } from '../../../tools/memory-watch.js';
import { type Output, StopRequest } from '../../../tools/output.js';
import { Progress } from '../../../tools/report/progress.js';
import { WHOLE } from '../../../tools/shard/share.js';

/** The output of a command that a test looks at. */
export interface RecordedOutput extends Output {
  readonly lines: string[];
  readonly talk: string[];
  /** What was written to each file. */
  readonly files: Map<string, string>;
}

export function recordedOutput(now: () => number = () => 0): RecordedOutput {
  const lines: string[] = [];
  const talk: string[] = [];
  const files = new Map<string, string>();
  const noted = (text: string): void => void talk.push(text.trimEnd());
  return {
    lines,
    talk,
    files,
    out: (line) => void lines.push(line),
    err: noted,
    progress: new Progress({ write: noted }, {}, now),
    now,
    share: WHOLE,
    memory: new MemoryWatch(noted, () => 0),
    stop: new StopRequest(new EventEmitter() as never),
    file: (_option, path) => ({ write: (text) => void files.set(path, text) }),
  };
}
