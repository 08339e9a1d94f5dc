import { type Command, Option } from 'commander';
import { jobs, seconds } from '../arguments.js';
import { exitHelp } from '../exit-code.js';
import { MemoryOption } from '../shard/shard-option.js';
import type { CommandContext } from './daemon-commands.js';

const QUEUE_OPTION = 'a Redis whose workers do it, redis://... or rediss://USER:PASSWORD@...; or in DMIRROR_QUEUE';
const STATUS = { pass: 'all is done, and nothing was found', fail: 'something was found, or a job failed' };
const INCOMPLETE = { incomplete: 'a budget, a rule or `cancel` ended it first, with nothing found' };

function queueOption(): Option {
  return new Option('--queue <url>', QUEUE_OPTION).env('DMIRROR_QUEUE');
}

/** Adds `dmirror campaign` and `dmirror worker`. */
export function addCampaign(root: Command, { status, output }: CommandContext): void {
  const campaign = root
    .command('campaign')
    .description('work a matrix of cases, plans, recordings, litmus tests and more off, here or by a fleet');
  const running = (command: Command): Command =>
    command
      .option('-j, --jobs <n>', 'jobs at a time; one for each core by default', jobs)
      .addOption(queueOption())
      .addOption(new MemoryOption());
  const reporting = (command: Command): Command =>
    command
      .option('--json', 'one JSON object a line instead of KTAP', false)
      .option('--junit <file>', 'also write the results as JUnit XML')
      .option('--html <file>', 'also write them as a page');
  reporting(running(campaign.command('run')))
    .description('begin a campaign, or go on with it, and report on it')
    .argument('<file>', 'a YAML file, docs/campaigns.md')
    .option(
      '--state <folder>',
      'where it is kept: a folder that is new, empty, or has this campaign already; NAME.campaign without',
    )
    .option('--fresh', 'begin anew: first remove what a campaign left in that folder, and no other file', false)
    .addHelpText('after', exitHelp({ ...STATUS, ...INCOMPLETE }))
    .action(async (file: string, options) => {
      const { campaignRun } = await import('./campaign.js');
      status.code = await campaignRun(file, options, output());
    });
  reporting(running(campaign.command('resume')))
    .description('go on with a campaign')
    .argument('<folder>', 'where it is kept')
    .addHelpText('after', exitHelp({ ...STATUS, ...INCOMPLETE }))
    .action(async (folder: string, options) => {
      const { campaignResume } = await import('./campaign.js');
      status.code = await campaignResume(folder, options, output());
    });
  reporting(campaign.command('report'))
    .description('say what a campaign has come to')
    .argument('<folder>', 'where it is kept')
    .addHelpText('after', exitHelp({ ...STATUS, incomplete: 'nothing was found, but jobs are left' }))
    .action(async (folder: string, options) => {
      const { campaignReport } = await import('./campaign.js');
      status.code = await campaignReport(folder, options, output());
    });
  addFolderCommands(campaign, { status, output });
  addWorker(root, { status, output });
}

function addFolderCommands(campaign: Command, { status, output }: CommandContext): void {
  campaign
    .command('status')
    .description('how far a campaign is, the time that is left, and what it found')
    .argument('<folder>', 'where it is kept')
    .option('--json', 'one JSON object', false)
    .option('--watch', 'again and again, until it ends', false)
    .addHelpText('after', exitHelp())
    .action(async (folder: string, options) => {
      const { campaignStatus } = await import('./campaign.js');
      status.code = await campaignStatus(folder, options, output());
    });
  campaign
    .command('cancel')
    .description('have whoever runs a campaign end it; `resume` goes on')
    .argument('<folder>', 'where it is kept')
    .addHelpText('after', exitHelp())
    .action(async (folder: string) => {
      const { campaignCancel } = await import('./campaign.js');
      status.code = campaignCancel(folder, output());
    });
}

function addWorker(root: Command, { status, output }: CommandContext): void {
  root
    .command('worker')
    .description('do jobs of campaigns that are sent to a queue, until a signal')
    .addOption(queueOption().makeOptionMandatory())
    .option('-j, --jobs <n>', 'at a time; one for each core by default', jobs)
    .option('--lease <seconds>', 'a worker that is not heard of for so long loses its jobs to others', seconds, 30)
    .addOption(new MemoryOption())
    .addHelpText('after', exitHelp({ usage: 'wrong usage, the queue can not be used, or it is of another version' }))
    .action(async (options) => {
      const { workForQueue } = await import('../campaign/queue-work.js');
      status.code = await workForQueue(options, output());
    });
}
