import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { collect, seed, whole } from '../arguments.js';
import { exitHelp, UsageError } from '../exit-code.js';
import type { Output } from '../output.js';
import { pathFileOption, pathOption, pathsOf } from '../path-option.js';
import { shardOptions } from '../shard/shard-option.js';
import { traceFormatOption, traceOption } from '../trace/trace-option.js';

interface Ending {
  code: number;
}

/** Declares `dmirror fault` and its subcommands; what they do is loaded when one runs. */
export function addFault(root: Command, status: Ending, output: () => Output): void {
  const fault = root
    .command('fault')
    .description('make the machine fail where a plan says, or everywhere in turn, and see what breaks');
  addList(fault, status, output);
  addRun(fault, status, output);
  addSweep(fault, status, output);
  addWire(fault, status, output);
  addTokens(fault, status, output);
  addImport(fault, status, output);
}

function addList(fault: Command, status: Ending, output: () => Output): void {
  fault
    .command('list')
    .description('every fault point: what it is, in which phases, what it can return')
    .argument('[case...]', 'cases, suites or patterns: also how often they come by each point')
    .addOption(pathOption())
    .addOption(pathFileOption())
    .option('--profile <kernel>', 'only what can be hit in 6.12, 6.19 or 7.3, which the cases run on')
    .option('--json', 'one JSON object a line', false)
    .addHelpText('after', exitHelp())
    .action(async (names: string[], options) => {
      const { listPoints } = await import('../fault/list.js');
      status.code = await listPoints(names, options, output());
    });
}

function addRun(fault: Command, status: Ending, output: () => Output): void {
  fault
    .command('run')
    .description('run plans and check what they expect, and all invariants after every step')
    .argument('<plan...>', 'YAML files, or names of plans that the package ships')
    .addOption(pathOption())
    .addOption(pathFileOption())
    .option('--profile <kernel>', 'instead of the one in the plan: 6.12, 6.19 or 7.3')
    .option('--seed <n>', 'seed instead of the one in the plan', seed)
    .option('--defect <name>', 'plant a defect of the register; may be repeated', collect, [])
    .option('--json', 'one JSON object a line instead of KTAP', false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .addOption(traceOption())
    .addOption(traceFormatOption())
    .addHelpText(
      'after',
      `\nExamples:\n  dmirror fault run plan.yaml\n  dmirror fault run slow-copy --path unified    a plan that the package ships\n${exitHelp({ fail: 'a plan failed', usage: 'a plan is wrong' })}`,
    )
    .action(async (plans: string[], options) => {
      const { runPlans } = await import('../fault/plans/run-plans.js');
      status.code = await runPlans(plans, options, output());
    });
}

function addSweep(fault: Command, status: Ending, output: () => Output): void {
  shardOptions(fault.command('sweep'))
    .description('run each case again and again, each time with another hit of a fault point failing')
    .argument('[case...]', 'cases, suites or patterns; all without')
    .addOption(pathOption())
    .addOption(pathFileOption())
    .option('--profile <kernel>', 'whose semantics the machines have: 6.12, 6.19 or 7.3', '6.12')
    .option('--seed <n>', 'seed of the machines and of pairs', seed, 1)
    .option('--all', 'fail every hit, however long it takes', false)
    .option('--pairs [n]', 'also fail pairs of hits, so many a case', whole(0, 10_000), 0)
    .option('--pages <n>', 'pages of a buffer where the case leaves it open', whole(1, 1024), 66)
    .option('--rounds <n>', 'rounds of a loop where the case leaves it open', whole(1, 1000), 2)
    .option('--workers <n>', 'threads; 0 for this one', whole(0, 256), availableParallelism())
    .option('--defect <name>', 'plant a defect of the register; may be repeated', collect, [])
    .option('--first', 'leave a case at its first finding', false)
    .option('--fresh', 'do not go on with an interrupted sweep', false)
    .option('--json', 'one JSON object a line instead of KTAP', false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write the results as a page')
    .addOption(traceOption('--trace <file>', '; of the findings'))
    .addOption(traceFormatOption())
    .addHelpText('after', exitHelp({ fail: 'findings', signal: 'interrupted; the same command goes on' }))
    .action(async (names: string[], options) => {
      const { sweep } = await import('../fault/sweep/sweep.js');
      const pairs = options.pairs === true ? 20 : options.pairs;
      status.code = await sweep(names, { path: undefined, ...options, pairs }, output());
    });
}

function addWire(fault: Command, status: Ending, output: () => Output): void {
  shardOptions(fault.command('wire'))
    .description('mistreat each frame of a client of a daemon: late, cut, twice, session gone, replies not read')
    .argument('[case...]', 'cases, suites or patterns whose machine is served; a client that migrates a buffer without')
    .addOption(pathOption())
    .addOption(pathFileOption())
    .option('--socket', "over sockets and in the host's time, which no token repeats", false)
    .option('--json', 'one JSON object a line instead of KTAP', false)
    .option('--junit <file>', 'also write the results as JUnit XML')
    .option('--html <file>', 'also write the results as a page')
    .addHelpText('after', exitHelp({ fail: 'findings' }))
    .action(async (names: string[], { path, socket, json, junit, html }) => {
      const paths = pathsOf(path);
      const { sweepWire, reportRuns } = await import('../fault/wire/wire.js');
      if (!socket) status.code = await sweepWire(names, { paths, json, junit, html }, output());
      else if (names.length > 0)
        throw new UsageError(
          `--socket is for a client that migrates a buffer, not for ${names[0]}`,
          'leave one of them out',
        );
      else {
        const { socketUnits } = await import('../fault/wire/wire-socket.js');
        status.code = await reportRuns(socketUnits(paths), { json, junit, html }, output());
      }
    });
}

function addTokens(fault: Command, status: Ending, output: () => Output): void {
  fault
    .command('replay')
    .description('repeat the run that a token names, of whichever command, and print its trace')
    .argument('<token>')
    .argument('[file]', 'the program, or the long test, that the token is of')
    .addOption(pathOption(undefined, 'that of the token'))
    .addOption(pathFileOption())
    .addOption(traceOption())
    .addOption(traceFormatOption())
    .addHelpText('after', exitHelp({ fail: 'the failure is there again' }))
    .action(async (token: string, file: string | undefined, options) => {
      const { replay } = await import('./replay.js');
      status.code = await replay(file === undefined ? [token] : [token, file], options, output());
    });
  fault
    .command('shrink')
    .description(
      'drop faults of a token, rules and steps of a plan, or ops and pages of a race, while the same failure stays',
    )
    .argument('<token-or-plan>')
    .argument('[file]', 'the long test that the token is of')
    .addHelpText(
      'after',
      exitHelp({
        pass: null,
        fail: 'what still fails and has nothing left to drop is printed',
        usage: 'wrong usage, or what is given does not fail, so there is nothing to keep while dropping',
      }),
    )
    .option('--defect <name>', 'plant a defect of the register; may be repeated', collect, [])
    .option('--outcome <pattern>', 'of a race: keep that it comes to an outcome like this; * stands for anything')
    .action(async (what: string, file: string | undefined, options) => {
      const { shrink } = await import('../fault/shrink.js');
      status.code = await shrink([what, file], options, output());
    });
}

function addImport(fault: Command, status: Ending, output: () => Output): void {
  fault
    .command('import')
    .description('turn a kernel fault injection script (echo ... > .../probability) into a plan')
    .argument('<file>', 'the shell script')
    .addHelpText('after', exitHelp())
    .action(async (file: string) => {
      const { importScript } = await import('../fault/import/import.js');
      status.code = importScript(file, output());
    });
}
