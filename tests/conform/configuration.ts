// The names of our own configurations: a path, and after commas what is different on it.

import { NO_QUIRKS } from '../../driver/dmirror/context.js';
import { DEFECTS, type DefectName } from '../../driver/inject/defects.js';
import { profileByName } from '../../driver/mm/profile.js';
import type { MigrationPath, ThpEnabled } from '../../driver/sys/machine/machine-options.js';
import type { ReplayOptions } from './replay.js';

const PATHS: readonly string[] = ['classic', 'unified'] satisfies MigrationPath[];
const THP: readonly string[] = ['always', 'madvise', 'never'] satisfies ThpEnabled[];

/**
 * `unified`, `classic,thp=always`, `classic,profile=7.3`, `unified,quirk=q1EraseOneMore`, `classic,defect=dirtyLost`. Throws an Error that
 * says what is not known.
 */
export function parseConfiguration(text: string): ReplayOptions {
  const [path, ...rest] = text.split(',');
  if (!PATHS.includes(path!)) throw new Error(`'${path}' is no path; they are classic and unified`);
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
  return { path: path as MigrationPath, machine: { ...machine, quirks }, defects, checkInvariants: true };
}
