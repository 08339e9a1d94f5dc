import { AssertionError } from './assert.js';

/** More than the kernel's deepest call chain; each function of it is two frames, for it is a generator. */
const STACK_FRAMES = 100;
/** Where a task's code begins: what stands around is ours. */
const OUTERMOST: ReadonlySet<string> = new Set(['oneCall', 'runSyscall', 'part']);

/**
 * Names of the functions that are under way in the running task, innermost first, this one's caller among them; the same on every host. A
 * minifier renames functions and classes: the build writes the functions' names down (tools/build/name-functions.js), and methods keep
 * theirs.
 */
export function callPath(): string[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  Error.stackTraceLimit = STACK_FRAMES;
  Error.prepareStackTrace = namesOf;
  const names = new AssertionError('').stack as unknown as string[];
  Object.assign(Error, { prepareStackTrace, stackTraceLimit });
  return names;
}

function namesOf(_error: Error, sites: readonly NodeJS.CallSite[]): string[] {
  const names: string[] = [];
  for (const site of sites) {
    const name = site.getFunctionName();
    if (name === null || name === 'next' || name === 'callPath') continue;
    if (OUTERMOST.has(name)) break;
    names.push(name);
  }
  return names;
}

/** Not so where somebody has minified the sources: nothing is known of who calls whom then. */
export function knowsFunctionNames(): boolean {
  return callPath.name === 'callPath';
}
