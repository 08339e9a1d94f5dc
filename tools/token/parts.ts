import type { DefectName } from '../../driver/inject/defects.js';
import {
  INJECT_POINTS,
  INJECT_RETURNS,
  type InjectReturn,
  PHASES,
  type PhaseName,
} from '../../driver/inject/inject-points.js';
import type { Injection } from '../../driver/inject/injection.js';
import { DEFAULT_PROFILE, PROFILE_NAMES, type ProfileName } from '../../driver/mm/profile.js';
import { DEFAULT_DIALECT, dialectByName, dialectIds } from '../../uapi/dialect.js';
import type { PathName } from '../../uapi/path-name.js';
import { defectNames } from '../defect-option.js';
import { UsageError } from '../exit-code.js';
import { didYouMean } from '../nearest.js';
import { pathNamed } from '../path-option.js';
import type { Part } from './token.js';

/** What decides how a machine behaves. */
export interface TokenMachine {
  readonly path: PathName;
  readonly profile: ProfileName;
  /** Undefined: this project's own. */
  readonly dialect?: string | undefined;
}

/** `PATH@PROFILE/DIALECT`, the last two where they are not the defaults. */
export const MACHINE: Part<TokenMachine> = {
  name: 'machine',
  text: ({ path, profile, dialect = DEFAULT_DIALECT }) =>
    `${path}${profile === DEFAULT_PROFILE.name ? '' : `@${profile}`}${dialect === DEFAULT_DIALECT ? '' : `/${dialect}`}`,
  read: (text) => {
    const [where = '', dialect] = text.split('/');
    const [path, profile = DEFAULT_PROFILE.name] = where.split('@');
    const name = PROFILE_NAMES.find((known) => known === profile);
    if (name === undefined) throw new UsageError(`no profile '${profile}'`, `they are: ${PROFILE_NAMES.join(', ')}`);
    if (dialect !== undefined && dialectByName(dialect) === undefined)
      throw new UsageError(`no dialect '${dialect}'${didYouMean(dialect, dialectIds())}`, 'see `dmirror abi list`');
    return { path: pathNamed(path), profile: name, ...(dialect === undefined ? {} : { dialect }) };
  },
};

/** A case of the suite. Whether there is one, its kernel says. */
export const CASE: Part<{ readonly name: string }> = {
  name: 'case',
  text: ({ name }) => name,
  read: (name) => ({ name }),
};

export const SEED: Part<{ readonly seed: number }> = {
  name: 'seed',
  text: ({ seed }) => String(seed),
  read: (text) => ({ seed: wholeNumber(text) }),
};

export const DEFECTS: Part<{ readonly defects: readonly DefectName[] }> = {
  name: 'defects',
  text: ({ defects }) => defects.join(','),
  read: (text) => ({ defects: defectNames(text === '' ? [] : text.split(',')) }),
};

/** `point/phase/nth/RETURN+...` */
export const FAULTS: Part<{ readonly injections: readonly Injection[] }> = {
  name: 'faults',
  text: ({ injections }) => injections.map(injectionText).join('+'),
  read: (text) => ({ injections: text === '' ? [] : text.split('+').map(parseInjection) }),
};

export function injectionText({ point, phase, nth, returns }: Injection): string {
  return `${point}/${phase}/${nth}/${returns}`;
}

function parseInjection(text: string): Injection {
  const [point = '', phase, nth = '', returns = ''] = text.split('/');
  const info = INJECT_POINTS.find(({ name }) => name === point);
  if (info === undefined) {
    const near = didYouMean(
      point,
      INJECT_POINTS.map(({ name }) => name),
    );
    throw new UsageError(`no fault point '${point}'${near}`, 'see `dmirror fault list`');
  }
  if (!PHASES.includes(phase as PhaseName))
    throw new UsageError(`no phase '${phase}'`, `they are: ${PHASES.join(', ')}`);
  if (!Object.hasOwn(INJECT_RETURNS, returns) || !info.returns.includes(returns as InjectReturn))
    throw new UsageError(`${point} cannot return ${returns}`, `it can return: ${info.returns.join(', ')}`);
  return { point, phase: phase as PhaseName, nth: wholeNumber(nth), returns: returns as InjectReturn };
}

export function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new UsageError(`'${text}' is no number`, 'print the token anew');
  return Number(text);
}
