import { createInterface } from 'node:readline';
import { DEFAULT_PROFILE } from '../../driver/mm/profile.js';
import { DEFAULT_DIALECT } from '../../uapi/dialect.js';
import { DEFAULT_PATH, type PathName } from '../../uapi/path-name.js';
import { defectNames } from '../defect-option.js';
import { EXIT, inputBytes, UsageError } from '../exit-code.js';
import { profileOption } from '../kernel-profile.js';
import type { Output } from '../output.js';
import { HISTORY_LINES, historyFile, readHistory, writeHistory } from '../recording/debug-history.js';
import { DebugSession } from '../recording/debug-session.js';
import { explainLines } from '../recording/explain.js';
import { record, type WhichRun } from '../recording/record.js';
import type { RecordedRun } from '../recording/recorded-run.js';
import { isToken } from '../token/token.js';
import { onPath } from './replay.js';

/** Options that say which run is meant, as commander has them. */
export interface WhichRunOptions
  extends Omit<WhichRun, 'path' | 'profile' | 'asked' | 'seed' | 'dialect' | 'defects' | 'maxBytes' | 'isMoved'> {
  readonly path?: PathName | undefined;
  readonly profile?: string | undefined;
  readonly seed?: number | undefined;
  readonly dialect?: string | undefined;
  readonly defect: readonly string[];
  readonly maxMemory: number;
}

export interface DebugOptions extends WhichRunOptions {
  readonly command: readonly string[];
  readonly commands?: string | undefined;
}

/** `dmirror debug`: goes through a run by commands, of a script or at a prompt. */
export async function debug(words: readonly string[], options: DebugOptions, output: Output): Promise<number> {
  const script = scriptOf(options);
  const recorded = await recordAsked(words, options);
  const session = new DebugSession(recorded);
  const run = (line: string): void => {
    for (const text of session.run(line)) output.out(text);
  };
  if (script === null) await prompt(session, output);
  else for (const line of script) if (!session.isOver) run(line);
  return recorded.recording.isCut ? EXIT.output : EXIT.pass;
}

/** `dmirror explain`: the same run as a text for a mail. */
export async function explain(words: readonly string[], options: WhichRunOptions, output: Output): Promise<number> {
  const recorded = await recordAsked(words, options);
  for (const line of explainLines(recorded)) output.out(line);
  if (recorded.recording.isCut) return EXIT.output;
  return recorded.findings.length > 0 ? EXIT.fail : EXIT.pass;
}

/** The run of the words. What a token says itself is not said again, but for the path: then it is the same run on that one. Throws UsageError. */
export async function recordAsked(words: readonly string[], options: WhichRunOptions): Promise<RecordedRun> {
  const how = runOptions(options);
  const [first] = words;
  if (first === undefined || !isToken(first)) return await record(words, how);
  const { path, profile, dialect, seed, defect, witness } = options;
  const said = Object.entries({ profile, dialect, seed, defect: defect[0], witness }).find(
    ([, value]) => value !== undefined,
  );
  if (said !== undefined)
    throw new UsageError(
      `--${said[0]} goes with no token, which says itself how it runs`,
      'leave it out; --path runs it on another path',
    );
  return await (path === undefined ? record(words, how) : record(await onPath(words, path), { ...how, isMoved: true }));
}

/** What the options come to. Throws UsageError. */
export function runOptions({
  defect,
  maxMemory,
  seed = 1,
  dialect = DEFAULT_DIALECT,
  ...options
}: WhichRunOptions): WhichRun {
  const { path, profile: name } = options;
  const profile = name === undefined ? undefined : profileOption(name);
  return {
    ...options,
    ...{ path: path ?? DEFAULT_PATH, profile: profile ?? DEFAULT_PROFILE.name, asked: { path, profile } },
    ...{ seed, dialect, defects: defectNames(defect), maxBytes: maxMemory },
  };
}

/** Lines of commands, empty ones and those that begin with # left out; null: a user types them. */
function scriptOf({ command, commands }: DebugOptions): readonly string[] | null {
  if (commands === undefined) return command.length === 0 ? null : command;
  const text = inputBytes(commands === '-' ? 0 : commands, 'a file with a command a line').toString('utf8');
  const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.trim().startsWith('#'));
  return [...command, ...lines];
}

/** Until `quit` or the end of the input. What is wrong is said, and the next command comes. */
async function prompt(session: DebugSession, { out, err }: Output): Promise<void> {
  const { stdin, stdout } = process;
  const isTerminal = stdin.isTTY === true && stdout.isTTY === true;
  const completer = (line: string): [string[], string] => session.complete(line);
  const file = historyFile();
  let history = isTerminal ? readHistory(file) : [];
  const kept = { history, historySize: HISTORY_LINES, removeHistoryDuplicates: true };
  const reader = createInterface({ input: stdin, output: stdout, terminal: isTerminal, completer, ...kept });
  reader.on('history', (lines) => {
    history = lines;
  });
  for (const text of session.run('info')) out(text);
  const ask = (): void => {
    reader.setPrompt(`${session.step}> `);
    if (isTerminal) reader.prompt();
  };
  ask();
  for await (const line of reader) {
    try {
      for (const text of session.run(line)) out(text);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      err(`${error.message}\n${error.hint}`);
    }
    if (session.isOver) break;
    ask();
  }
  reader.close();
  if (isTerminal) writeHistory(file, history);
}
