import { DEFAULT_PROFILE, PROFILE_NAMES, type ProfileName, profileByName } from '../driver/mm/profile.js';
import { DEFAULT_DIALECT, type Dialect, dialectByName } from '../uapi/dialect.js';
import { UsageError } from './exit-code.js';

/** The name of the profile that `--profile` asks for. */
export function profileOption(name: string): ProfileName {
  const profile = profileByName(name);
  if (profile === undefined) {
    throw new UsageError(`there is no profile '${name}'`, `they are: ${PROFILE_NAMES.join(', ')}`);
  }
  return profile.name;
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
