import { Option } from 'commander';
import { EQUAL_PATHS, PATH_NAMES, type PathName } from '../uapi/path-name.js';
import { UsageError } from './exit-code.js';

/** `--path` of a command that runs on one path, or, without a default, on the two that must be equal. */
export function pathOption(fallback?: PathName, otherwise = 'classic and unified without'): Option {
  const option = new Option('--path <path>', `the migration path${fallback === undefined ? `; ${otherwise}` : ''}`);
  return fallback === undefined ? option.choices(PATH_NAMES) : option.choices(PATH_NAMES).default(fallback);
}

/** The paths that a command runs on. */
export function pathsOf(path: PathName | undefined): readonly PathName[] {
  return path === undefined ? EQUAL_PATHS : [path];
}

/** Throws UsageError. */
export function pathNamed(name: string | undefined): PathName {
  const path = PATH_NAMES.find((known) => known === name);
  if (path === undefined) throw new UsageError(`no path ${name}`, `they are: ${PATH_NAMES.join(', ')}`);
  return path;
}
