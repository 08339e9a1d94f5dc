import { replayCommand } from '../glob.js';
import type { Output } from '../output.js';
import { escapeXml } from '../report/junit.js';
import { KtapWriter } from '../report/ktap.js';
import { type ResultFileOptions, resultFiles } from '../report/result-files.js';
import type { CaseResult } from '../report/runner.js';
import type { CampaignState, FindingGroup } from './campaign-state.js';

interface ReportOptions extends ResultFileOptions {
  readonly json: boolean;
}

/** Prints what a campaign has come to, in the order of its jobs. */
export function report(state: CampaignState, options: ReportOptions, output: Output): void {
  const { html, ...others } = options;
  const page = html === undefined ? null : output.file('--html', html);
  const writeFiles = resultFiles(others, output);
  const { jobs, campaign } = state.plan;
  const cases = jobs.map((job): CaseResult => {
    const result = state.results.get(job.token);
    const base = { name: job.name, suite: campaign.name, path: job.path as CaseResult['path'], ms: result?.ms ?? 0 };
    if (result === undefined) return { ...base, status: 'skip', reason: 'not done' };
    const { status, message } = result;
    if (status === 'skip') return { ...base, status, reason: 'it skips itself' };
    return status === 'pass' ? { ...base, status } : { ...base, status, message, diagnostics: [message] };
  });
  const findings = state.findings();
  if (options.json) printJson(state, findings, output);
  else printKtap(cases, { findings, runs: state.runs }, output);
  writeFiles(cases, { name: `dmirror campaign ${campaign.name}`, properties: {} });
  page?.write(pageOf(state, cases, findings));
}

function printJson({ plan, results, runs }: CampaignState, findings: readonly FindingGroup[], { out }: Output): void {
  for (const { token, name } of plan.jobs) {
    const { ms: _, ...result } = results.get(token) ?? { status: 'not done', ms: 0 };
    out(JSON.stringify({ schemaVersion: 1, type: 'job', token, name, ...result }));
  }
  for (const finding of findings) out(JSON.stringify({ schemaVersion: 1, type: 'finding', ...finding }));
  out(JSON.stringify({ schemaVersion: 1, type: 'end', jobs: plan.jobs.length, done: results.size, runs }));
}

function printKtap(
  cases: readonly CaseResult[],
  { findings, runs }: { findings: readonly FindingGroup[]; runs: number },
  { out }: Output,
): void {
  const ktap = new KtapWriter(out);
  ktap.open(cases.length);
  for (const result of cases) ktap.result(result);
  for (const line of [`${runs} runs, ${findings.length} different findings`, ...findings.flatMap(findingLines)])
    ktap.diagnostic(line);
  ktap.close();
}

function findingLines({ check, message, functions, count, token, job }: FindingGroup): string[] {
  const where = functions.length === 0 ? '' : `, in ${functions.join(' < ')}`;
  return [
    `${check}${where}, ${count} times: ${message}`,
    token === null ? `  job: ${job}` : `  replay: ${replayCommand(token)}`,
  ];
}

function pageOf(state: CampaignState, cases: readonly CaseResult[], findings: readonly FindingGroup[]): string {
  const { name } = state.plan.campaign;
  const of = (status: CaseResult['status']): number => cases.filter((one) => one.status === status).length;
  const row = (cells: readonly string[]): string => `<tr>${cells.map((cell) => `<td>${escapeXml(cell)}`).join('')}`;
  return [
    `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escapeXml(name)}</title>`,
    '<style>body{font:15px sans-serif;margin:2em}td,th{padding:2px 1em 2px 0;vertical-align:top;text-align:left}</style>',
    `<h1>${escapeXml(name)}</h1>`,
    `<p>${state.results.size} of ${cases.length} jobs done, ${of('fail')} failed, ${of('skip')} skipped, ${state.runs} runs</p>`,
    `<h2>Findings: ${findings.length}</h2><table><tr><th>check<th>functions<th>times<th>what<th>shows it again`,
    ...findings.map(({ check, functions, count, message, token, job }) =>
      row([check, functions.join(' < '), String(count), message, token ?? job]),
    ),
    '</table><h2>Jobs</h2><table><tr><th>status<th>job<th>what',
    ...cases.map(({ status, name, message, reason }) => row([status, name, message ?? reason ?? ''])),
    '</table></html>\n',
  ].join('\n');
}
