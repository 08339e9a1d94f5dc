import { type Command, InvalidArgumentError, Option } from 'commander';
import { pathError } from '../driver/hmm/paths.js';
import { EQUAL_PATHS, PATH_NAMES, type PathName } from '../uapi/path-name.js';
import { UsageError } from './exit-code.js';
import { hint } from './nearest.js';

/** `--path` of a command that runs on one path, or, without a default, on the two that must be equal. */
export function pathOption(fallback?: PathName, otherwise = 'classic and unified without'): Option {
  const option = new Option('--path <path>', `the migration path${fallback === undefined ? `; ${otherwise}` : ''}`);
  option.argParser(parsePath);
  option.argChoices = [...PATH_NAMES];
  return fallback === undefined ? option : option.default(fallback);
}

/** A path of one's own in place of `--path`. `readPathFiles` makes it the value of that option. */
export function pathFileOption(): Option {
  return new Option(
    '--path-file <file>',
    "a path of one's own: a base and properties that change, docs/series.md",
  ).conflicts('path');
}

/** Every command below `root` that has both options finds in `path` what the file says. */
export function readPathFiles(root: Command): void {
  root.hook('preAction', async (_, command) => {
    const { pathFile } = command.opts<{ pathFile?: string }>();
    if (pathFile === undefined) return;
    const { readPathFile } = await import('./series/path-file.js');
    command.setOptionValue('path', readPathFile(pathFile).path);
  });
}

function parsePath(text: string): PathName {
  const wrong = pathProblem(text);
  if (wrong !== null) throw new InvalidArgumentError(`There is ${wrong}.`);
  return text as PathName;
}

/** What is wrong with a path's name and what was meant; null when it is right. */
export function pathProblem(text: string): string | null {
  const wrong = pathError(text);
  return wrong === null ? null : `no ${wrong.what} '${wrong.word}'${hint(wrong.word, wrong.known)}`;
}

/** The paths that a command runs on. */
export function pathsOf(path: PathName | undefined): readonly PathName[] {
  return path === undefined ? EQUAL_PATHS : [path];
}

/** Throws UsageError. */
export function pathNamed(name = ''): PathName {
  const wrong = pathProblem(name);
  if (wrong !== null)
    throw new UsageError(wrong, `paths are: ${PATH_NAMES.join(', ')}, and these with properties, docs/series.md`);
  return name as PathName;
}
