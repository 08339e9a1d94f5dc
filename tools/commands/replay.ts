import type { PathName } from '../../uapi/path-name.js';
import { EXIT, UsageError } from '../exit-code.js';
import type { TokenWords } from '../explore/race-token.js';
import { shellWords } from '../glob.js';
import type { Output } from '../output.js';
import { runKind } from '../token/token.js';
import { openTrace, type TraceOptions } from '../trace/trace-option.js';

export interface ReplayOptions extends TraceOptions {
  readonly json?: boolean;
  /** In place of the token's. */
  readonly path?: PathName | undefined;
}

/** `replay TOKEN [FILE]` of every command: does again what a token says, whichever command printed it. 1 when it fails again; a program's own status. */
export async function replay(words: readonly string[], options: ReplayOptions, output: Output): Promise<number> {
  if (options.path === undefined) return await replayWords(words, options, output);
  const elsewhere = await onPath(words, options.path);
  const status = await replayWords(elsewhere, options, output);
  const say = options.json === true ? output.err : output.out;
  say(`# on ${options.path}: ${shellWords(elsewhere)}`);
  return status;
}

/** The words of the same run, the first a token, on another path. Throws UsageError. */
export async function onPath(words: readonly string[], path: PathName): Promise<readonly string[]> {
  const [token = '', file] = words;
  const kind = words.length === 0 ? null : runKind(token);
  if (kind === 'race') {
    const { RACE_TOKEN, tokenWords } = await import('../explore/race-token.js');
    return tokenWords(RACE_TOKEN.writeShort({ ...RACE_TOKEN.read(token, file), path }), file);
  }
  if (kind === 'ops') {
    const { OPS_TOKEN } = await import('../series/ops-run.js');
    return [OPS_TOKEN.write({ ...OPS_TOKEN.read(token), path }), ...words.slice(1)];
  }
  if (kind === 'run' || kind === 'plan') {
    const { PLAN_TOKEN, RUN_TOKEN } = await import('../fault/run-token.js');
    const moved =
      kind === 'run'
        ? RUN_TOKEN.write({ ...RUN_TOKEN.read(token), path })
        : PLAN_TOKEN.write({ ...PLAN_TOKEN.read(token), path });
    return [moved, ...words.slice(1)];
  }
  if (kind === null) return words;
  throw new UsageError(
    `a token of the kind '${kind}' is of the path that it names, and of no other`,
    `leave --path out, or run \`dmirror ${kind === 'case' ? 'selftest --explore' : 'exec --schedules'}\` on that path`,
  );
}

async function replayWords(words: readonly string[], options: ReplayOptions, output: Output): Promise<number> {
  const [token, file, ...rest] = words;
  if (token === undefined || rest.length > 0)
    throw new UsageError(
      '`replay` takes one token, and the path of the program, or of the long test, where it is of one',
      'replay TOKEN [FILE]',
    );
  const kind = runKind(token);
  if (kind === 'guest') {
    const { replayGuest } = await import('../exec/exec-schedules.js');
    return await replayGuest(token, file, options);
  }
  if (kind === 'race') return await replayRace([token, ...words.slice(1)], options, output);
  if (file !== undefined) throw new UsageError(`a token of the kind '${kind}' needs no '${file}'`, 'leave it out');
  if (kind === 'case') {
    const [{ replayCase }, { allCases }] = await Promise.all([
      import('../suite/explore-cases.js'),
      import('../../tests/selftests/index.js'),
    ]);
    return await replayCase(token, allCases({ deviceThp: true }), { trace: openTrace(options), out: output.out });
  }
  if (kind === 'ops') return await replayOps(token, options, output);
  const { replayFault } = await import('../fault/replay.js');
  return await replayFault(token, options, output);
}

async function replayRace(
  words: TokenWords,
  { json = false, path, ...traced }: ReplayOptions,
  { out }: Output,
): Promise<number> {
  const { witnessLines, witnessOf } = await import('../explore/witness.js');
  const trace = openTrace(traced);
  const witness = witnessOf(words, { trace, isMoved: path !== undefined });
  trace?.end();
  for (const line of json ? [JSON.stringify(witness)] : witnessLines(witness)) out(line);
  return witness.findings.length > 0 ? EXIT.fail : EXIT.pass;
}

async function replayOps(token: string, traced: TraceOptions, { out }: Output): Promise<number> {
  const { OPS_TOKEN, opsLines } = await import('../series/ops-run.js');
  const trace = openTrace(traced);
  const { lines, isWrong } = opsLines(OPS_TOKEN.read(token), (machine) => trace?.listen(machine, { name: token }));
  trace?.end();
  for (const line of lines) out(line);
  return isWrong ? EXIT.fail : EXIT.pass;
}
