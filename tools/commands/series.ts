import { DEFAULT_PROFILE } from '../../driver/mm/profile.js';
import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import { shellQuote } from '../glob.js';
import type { Output } from '../output.js';
import { resultFiles } from '../report/result-files.js';
import { readBaseline } from '../series/baseline.js';
import { postingOf } from '../series/mail-posting.js';
import { OPS_TOKEN, type OpsId, opsIn, opsLines } from '../series/ops-run.js';
import { readPathFile } from '../series/path-file.js';
import { type Posting, review } from '../series/review.js';
import { isFound, reviewCases, reviewJson } from '../series/review-cases.js';
import { reviewHtml, reviewText } from '../series/review-text.js';

export interface SeriesReviewOptions {
  /** `v1`, `late`, or a file of mails. */
  readonly posting: string;
  readonly pathFile?: string | undefined;
  readonly html?: string | undefined;
  readonly junit?: string | undefined;
  readonly json?: boolean;
  /** A report made before. */
  readonly baseline?: string | undefined;
  readonly sequences: number;
}

/** `dmirror series review`. 0: nothing was found; 1: something. */
export async function seriesReview(options: SeriesReviewOptions, output: Output): Promise<number> {
  const html = options.html === undefined ? null : output.file('--html', options.html);
  const writeFiles = resultFiles({ junit: options.junit }, output);
  const known = options.baseline === undefined ? null : readBaseline(options.baseline);
  if (known !== null && !output.share.isWhole && !output.share.isMerged)
    throw new UsageError(
      '--baseline is of a whole review, and a shard explains nothing',
      'leave it out, and compare what is merged: `dmirror merge-reports DIR --baseline FILE`',
    );
  const posting = await reviewedPosting(options);
  const found = await review(posting, { sequences: options.sequences, output });
  const lines = reviewText(found, known);
  for (const line of options.json ? [reviewJson(found, known)] : lines) output.out(line);
  html?.write(reviewHtml(lines, `Review: ${posting.title}`));
  writeFiles(reviewCases(found), { name: 'dmirror series review', properties: { path: posting.path } });
  return isFound(found) ? EXIT.fail : EXIT.pass;
}

async function reviewedPosting({ posting, pathFile }: SeriesReviewOptions): Promise<Posting> {
  const known = await postingOf(posting);
  if (pathFile === undefined) return known;
  const { name, path } = readPathFile(pathFile);
  return { ...known, path, title: `${name} (${pathFile})`, option: `--path-file ${shellQuote(pathFile)}` };
}

/** `dmirror series run OPS`: runs ops of the recordings' language, proves the machine after each, and says what must not be. */
export function seriesRun(text: string, { path }: { readonly path: PathName }, { out }: Output): number {
  const id: OpsId = { ops: opsIn(text), path, profile: DEFAULT_PROFILE.name };
  const { lines, isWrong } = opsLines(id);
  for (const line of lines) out(line);
  if (isWrong) out(`# dmirror fault replay ${OPS_TOKEN.write(id)}`);
  return isWrong ? EXIT.fail : EXIT.pass;
}
