import { DEFECTS, type DefectName } from '../driver/inject/defects.js';
import { UsageError } from './exit-code.js';
import { didYouMean } from './nearest.js';

/** The defects that `--defect` or a token names. Throws UsageError. */
export function defectNames(names: readonly string[]): DefectName[] {
  const known = Object.keys(DEFECTS);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new UsageError(
      `there is no defect '${unknown}'${didYouMean(unknown, known)}`,
      `they are: ${known.join(', ')}`,
    );
  return names as DefectName[];
}
