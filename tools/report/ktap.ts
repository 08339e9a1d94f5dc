/** One line of a result, as KTAP sees it. */
export interface KtapResult {
  readonly status: 'pass' | 'fail' | 'skip';
  readonly name: string;
  /** Why it was skipped, or the diagnostic lines of a failure. */
  readonly reason?: string;
  readonly diagnostics?: readonly string[];
}

interface Level {
  readonly plan: number;
  done: number;
  readonly counts: { pass: number; fail: number; skip: number };
}

/** A line break or a bare `#` in a name would read as syntax, so neither goes out as it is. */
function oneLine(text: string): string {
  return text
    .replace(/[\r\n]+/g, ' ')
    .replaceAll('#', '\\#')
    .trim();
}

/**
 * Writes KTAP version 1 (Documentation/dev-tools/ktap.rst) line by line: a version line and a plan open each level, two
 * spaces indent a nested one, and every planned result is written exactly once. A caller that breaks the plan is a bug
 * here and throws.
 */
export class KtapWriter {
  private readonly levels: Level[] = [];

  constructor(private readonly write: (line: string) => void) {}

  /** Opens a level with `plan` results to come: the document itself first, then subtests of the next result. */
  open(plan: number, subtestName?: string): void {
    const level: Level = { plan, done: 0, counts: { pass: 0, fail: 0, skip: 0 } };
    this.levels.push(level);
    this.line('KTAP version 1');
    if (subtestName !== undefined) this.line(`# Subtest: ${oneLine(subtestName)}`);
    this.line(`1..${plan}`);
  }

  /** Writes one result of the innermost level, its diagnostics before it. */
  result(result: KtapResult): void {
    const level = this.innermost();
    if (level.done === level.plan) throw new Error(`KTAP: result '${result.name}' is beyond the plan 1..${level.plan}`);
    level.done++;
    level.counts[result.status]++;
    for (const line of result.diagnostics ?? []) this.diagnostic(line);
    const verdict = result.status === 'fail' ? 'not ok' : 'ok';
    const skip = result.status === 'skip' ? ` # SKIP ${oneLine(result.reason ?? 'no reason given')}` : '';
    this.line(`${verdict} ${level.done} ${oneLine(result.name)}${skip}`);
  }

  diagnostic(text: string): void {
    for (const line of text.split(/\r?\n/)) this.line(`# ${line}`.trimEnd());
  }

  /** Closes a nested level and writes its result in the one around it. Closing the outermost writes nothing more. */
  close(name?: string): void {
    const level = this.innermost();
    if (level.done !== level.plan) throw new Error(`KTAP: plan 1..${level.plan} but ${level.done} results`);
    this.levels.pop();
    if (this.levels.length === 0) return;
    if (name === undefined) throw new Error('KTAP: a nested level needs a name to close');
    this.result(summarise(name, level));
  }

  /** Says in the outermost level why the rest of every plan will not come. */
  abandon(why: string): void {
    this.levels.length = 1;
    this.diagnostic(why);
  }

  private innermost(): Level {
    const level = this.levels.at(-1);
    if (level === undefined) throw new Error('KTAP: no open level');
    return level;
  }

  private line(text: string): void {
    this.write(`${'  '.repeat(this.levels.length - 1)}${text}`);
  }
}

/** A group fails if any member did, and is skipped only if every member was. */
function summarise(name: string, level: Level): KtapResult {
  if (level.counts.fail > 0) return { status: 'fail', name };
  if (level.counts.skip === level.plan) return { status: 'skip', name, reason: `all ${level.plan} skipped` };
  return { status: 'pass', name };
}
