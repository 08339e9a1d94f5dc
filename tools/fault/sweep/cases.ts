import { type ProfileName, profileByName } from '../../../driver/mm/profile.js';
import type { SelftestCase } from '../../../tests/selftests/case.js';
import { allCases } from '../../../tests/selftests/index.js';

/** The cases of the suite on machines of a profile, in its order. */
export function casesOf(profile: ProfileName): SelftestCase[] {
  return allCases({ deviceThp: profileByName(profile)!.deviceThp });
}

/** The same by name. */
export function casesByName(profile: ProfileName): Map<string, SelftestCase> {
  return new Map(casesOf(profile).map((testCase) => [testCase.name, testCase]));
}
