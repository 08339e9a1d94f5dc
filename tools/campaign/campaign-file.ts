import * as v from 'valibot';
import { dialectOption } from '../kernel-profile.js';
import { didYouMean } from '../nearest.js';
import { pathNamed } from '../path-option.js';
import { readYamlFile, type Wrong } from '../yaml-file.js';
import { CAMPAIGN, type Campaign, KINDS } from './campaign-schema.js';

const HINT = 'docs/campaigns.md says what a campaign can have';

/** Reads a campaign file. `wrong` makes an error with the place of what it is about. Throws UsageError. */
export function readCampaign(file: string): { readonly campaign: Campaign; readonly wrong: Wrong } {
  const { value, wrong } = readYamlFile(file, HINT, ['profiles', 'dialects']);
  const parsed = v.safeParse(CAMPAIGN, value);
  if (!parsed.success) {
    const [issue] = parsed.issues;
    const keys = (issue.path ?? []).map(({ key }) => key);
    throw wrong(keys, messageOf(issue, keys));
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

function messageOf(issue: v.BaseIssue<unknown>, keys: readonly unknown[]): string {
  const where = keys.join('.');
  if (issue.type === 'strict_object' && issue.expected === 'never') {
    const word = String(keys.at(-1));
    const known = keys.length === 1 ? Object.keys(CAMPAIGN.entries) : keys[0] === 'what' ? KINDS : [];
    return `there is no '${where}'${didYouMean(word, known)}`;
  }
  return `${where || 'its top'}: ${issue.message}`;
}
