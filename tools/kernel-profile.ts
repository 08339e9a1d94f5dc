import { DEFAULT_PROFILE, PROFILE_NAMES, type ProfileName, profileByName } from '../driver/mm/profile.js';
import { DEFAULT_DIALECT, type Dialect, dialectByName, dialectIds } from '../uapi/dialect.js';
import { UsageError } from './exit-code.js';
import { didYouMean } from './nearest.js';

/** The name of the profile that `--profile` asks for. */
export function profileOption(name: string): ProfileName {
  const profile = profileByName(name);
  if (profile === undefined) {
    throw new UsageError(`there is no profile '${name}'`, `they are: ${PROFILE_NAMES.join(', ')}`);
  }
  return profile.name;
}

/** The dialect that `--dialect` asks for, by its id or a kernel that has it. */
export function dialectOption(name: string): Dialect {
  const dialect = dialectByName(name);
  if (dialect !== undefined) return dialect;
  const ids = dialectIds();
  const known = ids.map((id) => [id, ...dialectByName(id)!.aliases]);
  const list = known.map(([id, ...kernels]) => (kernels.length === 0 ? id! : `${id} (${kernels.join(', ')})`));
  throw new UsageError(
    `there is no dialect '${name}'${didYouMean(name, known.flat())}`,
    `they are: ${list.join(', ')}`,
  );
}

/**
 * The profile of the kernels that a program built against this dialect's header runs on: of the nearest in its line of headers that a
 * kernel with a profile shipped. This project's own numbering belongs to none of them.
 */
export function profileOfDialect(dialect: Dialect): ProfileName {
  if (dialect.id === DEFAULT_DIALECT) return DEFAULT_PROFILE.name;
  for (let at: Dialect | undefined = dialect; at !== undefined; ) {
    for (const kernel of at.aliases) {
      const profile = profileByName(kernel);
      if (profile !== undefined) return profile.name;
    }
    at = at.parent === undefined ? undefined : dialectByName(at.parent);
  }
  return DEFAULT_PROFILE.name;
}
