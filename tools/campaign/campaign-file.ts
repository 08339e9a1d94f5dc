import * as v from 'valibot';
import { dialectOption } from '../kernel-profile.js';
import { didYouMean } from '../nearest.js';
import { pathNamed } from '../path-option.js';
import { issueAt, issueToTell, readYamlFile, type Wrong } from '../yaml-file.js';
import { CAMPAIGN, type Campaign, KINDS } from './campaign-schema.js';

const HINT = 'docs/campaigns.md says what a campaign can have';

/** Reads a campaign file. `wrong` makes an error with the place of what it is about. Throws UsageError. */
export function readCampaign(file: string): { readonly campaign: Campaign; readonly wrong: Wrong } {
  const { value, wrong } = readYamlFile(file, HINT);
  const parsed = v.safeParse(CAMPAIGN, value);
  if (!parsed.success) {
    const [keys, message, part] = issueAt(issueToTell(parsed.issues));
    throw wrong(keys, part === 'key' ? noKey(keys) : `${keys.join('.') || 'its top'}: ${message}`, part);
  }
  const campaign = parsed.output;
  for (const [i, item] of campaign.what.entries())
    if (Object.keys(item).length !== 1) throw wrong(['what', i], `what.${i}: an item has one of ${KINDS.join(', ')}`);
  check(campaign.paths, pathNamed, (i, error) => wrong(['paths', i], `paths.${i}: ${error}`));
  check(campaign.dialects, dialectOption, (i, error) => wrong(['dialects', i], `dialects.${i}: ${error}`));
  return { campaign, wrong };
}

function check(
  words: readonly string[],
  read: (word: string) => unknown,
  wrong: (i: number, error: string) => Error,
): void {
  for (const [i, word] of words.entries()) {
    try {
      read(word);
    } catch (error) {
      throw wrong(i, (error as Error).message);
    }
  }
}

const { budget, stop } = CAMPAIGN.entries;
/** Which keys there are below a key of the top. */
const BELOW: Readonly<Record<string, readonly string[]>> = {
  what: KINDS,
  budget: Object.keys(budget.wrapped.entries),
  stop: Object.keys(stop.wrapped.entries),
};

function noKey(keys: readonly unknown[]): string {
  const known = keys.length === 1 ? Object.keys(CAMPAIGN.entries) : (BELOW[String(keys[0])] ?? []);
  return `there is no '${keys.join('.')}'${didYouMean(String(keys.at(-1)), known)}`;
}
