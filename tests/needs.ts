import { spawnSync } from 'node:child_process';

const known = new Map<string, boolean>();

export function isInstalled(tool: string): boolean {
  const there = known.get(tool) ?? spawnSync(tool, ['--version'], { stdio: 'ignore' }).error === undefined;
  known.set(tool, there);
  return there;
}

declare module 'vitest' {
  interface TaskMeta {
    /** The program without which this test, or all of this suite, is skipped. */
    needs?: string;
  }
}

/** Options of a test or suite that runs only where `tool` is; what is skipped for lack of it is counted at the end. */
export function needs(tool: string, isThere = isInstalled(tool)): { skip: boolean; meta: { needs: string } } {
  return { skip: !isThere, meta: { needs: tool } };
}
