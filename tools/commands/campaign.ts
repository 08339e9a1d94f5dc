import { readCampaign } from '../campaign/campaign-file.js';
import { CampaignFolder } from '../campaign/campaign-folder.js';
import { jobsOfCampaign } from '../campaign/campaign-jobs.js';
import { type Owner, ownerText } from '../campaign/campaign-owner.js';
import { report } from '../campaign/campaign-report.js';
import { type CampaignRunOptions, endForGood, runCampaign, statusOf } from '../campaign/campaign-run.js';
import { CampaignState } from '../campaign/campaign-state.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { durationText } from '../report/progress.js';
import type { ResultFileOptions } from '../report/result-files.js';

interface ReportOptions extends ResultFileOptions {
  readonly json: boolean;
}

interface RunOptions extends CampaignRunOptions, ReportOptions {
  readonly state?: string;
  readonly fresh: boolean;
}

/** `dmirror campaign run`. The exit status. */
export async function campaignRun(file: string, options: RunOptions, output: Output): Promise<number> {
  const { campaign, wrong } = readCampaign(file);
  const jobs = jobsOfCampaign(campaign, wrong);
  if (jobs.length === 0)
    throw new UsageError(`${file} comes to no job`, 'docs/campaigns.md says what a campaign can have');
  const { name, budget, stop } = campaign;
  const folder = options.state ?? `${name}.campaign`;
  const state = CampaignState.create(folder, { campaign: { name, budget, stop }, jobs }, { fresh: options.fresh });
  return await worked(state, options, output);
}

/** `dmirror campaign resume`. */
export async function campaignResume(
  folder: string,
  options: CampaignRunOptions & ReportOptions,
  output: Output,
): Promise<number> {
  return await worked(CampaignState.open(folder), options, output);
}

async function worked(
  state: CampaignState,
  options: CampaignRunOptions & ReportOptions,
  output: Output,
): Promise<number> {
  const why = await runCampaign(state, options, output);
  report(state, options, output);
  output.err(
    `${state.results.size} of ${state.plan.jobs.length} jobs done, ${state.failed} failed; kept in ${state.folder.path}`,
  );
  if (why !== null) {
    const goesOn =
      endForGood(state) === null ? `resume ${state.folder.path}` : 'run FILE goes on when FILE allows more';
    output.err(`${why}: dmirror campaign ${goesOn}`);
  }
  return statusOf(state, why);
}

/** `dmirror campaign report`. */
export function campaignReport(folder: string, options: ReportOptions, output: Output): number {
  const state = CampaignState.open(folder);
  report(state, options, output);
  return statusOf(state, state.isDone ? null : 'jobs are left');
}

/** `dmirror campaign cancel`. */
export function campaignCancel(path: string, { out }: Output): number {
  const { folder } = CampaignState.open(path);
  folder.cancel();
  const owner = folder.owner();
  out(owner === null ? 'nobody runs it' : `${ownerText(owner)} ends it after the jobs that it has begun`);
  return EXIT.pass;
}

const WATCH_MS = 1000;

/** `dmirror campaign status`. */
export async function campaignStatus(
  folder: string,
  { json, watch }: { json: boolean; watch: boolean },
  output: Output,
): Promise<number> {
  const stop = output.stop.watch();
  for (;;) {
    // Asked first: what nobody runs any more is read whole.
    const owner = new CampaignFolder(folder).owner();
    printStatus(CampaignState.open(folder), { json, owner }, output);
    if (!watch || owner === null || (await stop.look())) return EXIT.pass;
    await Promise.race([new Promise((resolve) => setTimeout(resolve, WATCH_MS)), stop.whenRequested]);
  }
}

function printStatus(
  state: CampaignState,
  { json, owner }: { json: boolean; owner: Owner | null },
  { out }: Output,
): void {
  const { plan, results, failed, runs } = state;
  const total = plan.jobs.length;
  const leftMs = state.msLeft(owner);
  const findings = state.findings();
  if (json) {
    out(
      JSON.stringify({
        name: plan.campaign.name,
        done: results.size,
        total,
        failed,
        runs,
        process: owner?.pid ?? null,
        leftMs,
        findings,
      }),
    );
    return;
  }
  const doing = owner === null ? (state.isDone ? 'done' : 'nobody runs it') : `${ownerText(owner)} runs it`;
  out(`${plan.campaign.name}: ${results.size} of ${total} jobs done, ${failed} failed, ${runs} runs; ${doing}`);
  if (leftMs !== null) out(`about ${durationText(leftMs)} left`);
  out(`${findings.length} different findings`);
  for (const { check, message, count, token, job } of findings)
    out(`  ${check}, ${count} times: ${message}\n    ${token ?? job}`);
}
