import { pathByName } from '../../tests/conform/recording.js';
import { DEFAULT_PATH, type PathName } from '../../uapi/path-name.js';
import { UsageError } from '../exit-code.js';
import type { Output } from '../output.js';

/** The path that the names of litmus files tell, which must be one. */
export function litmusPath(files: readonly string[], { err }: Output): PathName {
  const named = files.map((file) => ({ file, ...pathByName(file) }));
  for (const { file, path, why } of named) if (path !== null) err(`# ${file}: path ${path}, by ${why}`);
  const paths = [...new Set(named.map(({ path }) => path ?? DEFAULT_PATH))];
  if (paths.length > 1)
    throw new UsageError(`the files are of several paths: ${paths.join(', ')}`, 'give them to a command each');
  return paths[0] ?? DEFAULT_PATH;
}
