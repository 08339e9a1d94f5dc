import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JobResult } from './sweep-job.js';

/** What a sweep has finished, one JSON line a job, so that an interrupted one can go on. Complete sweeps leave none. */
export class Journal {
  private constructor(
    private readonly file: string,
    /** Results of an earlier, interrupted run, by job number. */
    readonly done: ReadonlyMap<number, JobResult>,
  ) {}

  /** `key` names everything that a result depends on. With `fresh`, what an earlier run left is thrown away. */
  static open(key: unknown, { fresh }: { fresh: boolean }): Journal {
    const name = createHash('sha256').update(JSON.stringify(key)).digest('hex').slice(0, 16);
    const file = join(tmpdir(), `dmirror-sweep-${name}.ndjson`);
    if (fresh) rmSync(file, { force: true });
    const done = new Map<number, JobResult>();
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    for (const line of lines) {
      try {
        const { index, result } = JSON.parse(line) as { index: number; result: JobResult };
        done.set(index, result);
      } catch {
        // The last line of a run that was killed may be cut; its job is done again.
      }
    }
    return new Journal(file, done);
  }

  add(index: number, result: JobResult): void {
    appendFileSync(this.file, `${JSON.stringify({ index, result })}\n`);
  }

  end(): void {
    rmSync(this.file, { force: true });
  }
}

/** Tells builds apart: results of another driver or another suite are not gone on with. */
export function buildId(): string {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const hash = createHash('sha256');
  for (const folder of ['driver', 'uapi', 'tools/fault', 'tests/selftests']) {
    for (const file of readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).sort()) {
      const { size, mtimeMs } = statSync(join(root, folder, file));
      hash.update(`${folder}/${file} ${size} ${mtimeMs}\n`);
    }
  }
  return hash.digest('hex');
}
