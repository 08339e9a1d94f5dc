// The names of our own configurations: a path, and after commas what is different on it.

import { NO_QUIRKS } from '../../driver/dmirror/context.js';
import { DEFECTS, type DefectName } from '../../driver/inject/defects.js';
import { profileByName } from '../../driver/mm/profile.js';
import type { ThpEnabled } from '../../driver/sys/machine/machine-options.js';
import { PATH_NAMES } from '../../uapi/path-name.js';
import type { ReplayOptions } from './replay.js';

const THP: readonly string[] = ['always', 'madvise', 'never'] satisfies ThpEnabled[];

/**
 * `unified`, `classic,thp=always`, `classic,profile=7.3`, `unified,quirk=q1EraseOneMore`, `classic,defect=writeLost`. Throws an Error that
 * says what is not known.
 */
export function parseConfiguration(text: string): ReplayOptions {
  const [name, ...rest] = text.split(',');
  const path = PATH_NAMES.find((known) => known === name);
  if (path === undefined) throw new Error(`'${name}' is no path; they are ${PATH_NAMES.join(', ')}`);
  const defects: DefectName[] = [];
  const quirks: Record<string, boolean> = {};
  let machine: ReplayOptions['machine'] = {};
  for (const word of rest) {
    const [key, value = ''] = word.split('=');
    if (key === 'defect' && Object.hasOwn(DEFECTS, value)) defects.push(value as DefectName);
    else if (key === 'quirk' && Object.hasOwn(NO_QUIRKS, value)) quirks[value] = true;
    else if (key === 'profile' && profileByName(value) !== undefined) machine = { ...machine, profile: value };
    else if (key === 'thp' && THP.includes(value)) machine = { ...machine, thpEnabled: value as ThpEnabled };
    else
      throw new Error(`'${word}' is not known; a configuration has profile=, thp=, quirk= and defect= after the path`);
  }
  return { path, machine: { ...machine, quirks }, defects, checkInvariants: true };
}
