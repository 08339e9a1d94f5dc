import type { PathName } from '../../uapi/path-name.js';
import type { Output } from '../output.js';
import { litmusLines } from './litmus-file.js';

/** Tells which files say of which path they are, and returns each file's. */
export function saidPaths(files: readonly string[], { err }: Output): (PathName | null)[] {
  return files.map((file) => {
    const { path, why } = litmusLines(file);
    if (path !== null) err(`# ${file}: path ${path}, by ${why}`);
    return path;
  });
}
