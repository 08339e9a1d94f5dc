import type { Reporter, TestCase, TestModule, TestSuite } from 'vitest/node';

/** Says at the end how many tests were skipped and for lack of what, so that a pass is not taken for more than it is. */
export class SkippedReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = new Map<string, number>();
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const reason = reasonOf(test);
        if (reason !== undefined) counts.set(reason, (counts.get(reason) ?? 0) + 1);
      }
    }
    for (const [reason, count] of [...counts].sort()) {
      process.stdout.write(`skipped ${reason}: ${count} ${count === 1 ? 'test' : 'tests'}\n`);
    }
  }
}

/** Tests that the command line left out, by name say, have none. */
function reasonOf(test: TestCase): string | undefined {
  for (let task: TestCase | TestSuite | TestModule = test; task.type !== 'module'; task = task.parent) {
    const { needs } = task.meta();
    if (task.options.mode === 'skip' && needs !== undefined) return `for lack of ${needs}`;
  }
  const result = test.result();
  return result.state === 'skipped' && result.note !== undefined ? `(${result.note})` : undefined;
}
