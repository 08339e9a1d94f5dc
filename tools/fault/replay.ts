import { createHash } from 'node:crypto';
import type { TraceEvent } from '../../driver/core/trace.js';
import { allCases } from '../../tests/selftests/index.js';
import { errnoName } from '../../uapi/errno.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { Output } from '../selftest.js';
import { MachinePool } from './machine-pool.js';
import { Sweeper } from './sweep-job.js';
import { parseToken } from './token.js';

/** The trace of the run that a token names, and its findings: the same bytes every time. */
export async function replayLines(
  token: string,
  pool = new MachinePool(),
): Promise<{ lines: string[]; isFailing: boolean }> {
  const id = parseToken(token);
  const cases = allCases();
  if (!cases.some(({ name }) => name === id.name))
    throw new UsageError(`there is no case '${id.name}'`, 'see the names with `dmirror selftest --list`');
  const { seed, pages, rounds, defects } = id;
  const options = { seed, pages, rounds, defects, all: false, pairs: 0, first: false };
  const sweeper = new Sweeper(new Map(cases.map((testCase) => [testCase.name, testCase])), options, pool);
  const faults = id.injections.map(
    ({ point, phase, nth, returns }) => `${point} in ${phase}, hit ${nth}, returns ${returns}`,
  );
  const lines = [`# faults injected: ${faults.join('; ') || 'none'}`];
  const outcome = await sweeper.runId(id, {
    onBoot({ machine, watch }) {
      machine.trace.listen((event) => void lines.push(eventText(event)));
      machine.kernel.faults.onFire = ({ rule, command, page, path }) =>
        void lines.push(`# fired: ${rule}, ${command}, page ${page}, ${path.join(' < ')}`);
      watch.onResult = ({ pid, name, device }, { ret, signal }) => {
        const result = ret < 0 ? `-${errnoName(ret)}` : String(ret);
        lines.push(
          `# ${pid} ${device?.name ?? name} = ${result}${signal === undefined ? '' : ` signal ${signal.signo}`}`,
        );
      };
    },
  });
  lines.push(`# ${outcome.status}${outcome.message === '' ? '' : `: ${outcome.message}`}`);
  for (const { kind, message, after } of outcome.violations) lines.push(`# ${kind}: ${message} (after ${after})`);
  const digest = createHash('sha256').update(lines.join('\n')).digest('hex');
  lines.push(`# sha256 of the lines above: ${digest}`);
  return { lines, isFailing: outcome.violations.length > 0 };
}

function eventText({ tick, task, kind, detail, a, b }: TraceEvent): string {
  return `${tick} task ${task} ${kind} ${detail} 0x${a.toString(16)} 0x${b.toString(16)}`;
}

/** `dmirror fault replay TOKEN`: prints the trace; 1 when the run breaks an invariant again. */
export async function replay(token: string, output: Output): Promise<number> {
  const { lines, isFailing } = await replayLines(token);
  for (const line of lines) output.out(line);
  return isFailing ? EXIT.fail : EXIT.pass;
}
