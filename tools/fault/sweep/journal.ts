import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { TaskResult } from './sweep-worker.js';

/** What came of one task of a sweep: numbers of its case and of its slice. */
interface JournalLine {
  readonly job: number;
  readonly slice: number;
  readonly result: TaskResult;
}

/** What a sweep has finished, one JSON line a task, so that an interrupted one can go on. Complete sweeps leave none. */
export class Journal {
  private constructor(
    readonly file: string,
    /** Of an earlier, interrupted run. */
    readonly done: readonly JournalLine[],
  ) {}

  /** `key` names everything that a result depends on. With `fresh`, what an earlier run left is thrown away. */
  static open(key: unknown, { fresh }: { fresh: boolean }): Journal {
    const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
    const file = join(tmpdir(), `dmirror-sweep-${name}.ndjson`);
    if (fresh) rmSync(file, { force: true });
    const done = new Map<string, JournalLine>();
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    for (const text of lines) {
      try {
        const line = JSON.parse(text) as JournalLine;
        done.set(`${line.job} ${line.slice}`, line);
      } catch {
        // The last line of a run that was killed may be cut; its task is done again.
      }
    }
    return new Journal(file, [...done.values()]);
  }

  add(line: JournalLine): void {
    appendFileSync(this.file, `${JSON.stringify(line)}\n`);
  }

  end(): void {
    rmSync(this.file, { force: true });
  }
}

/** Tells builds apart: results of another driver or another suite are not gone on with. */
export function buildId(): string {
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const hash = createHash('sha256');
  for (const folder of ['driver', 'uapi', 'tools/fault', 'tests/selftests']) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      const { size, mtimeMs } = statSync(join(root, folder, file));
      hash.update(`${folder}/${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}
