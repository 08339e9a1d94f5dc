import { type Command, InvalidArgumentError, type Option } from 'commander';
import { STRATEGIES } from '../driver/explore/strategy-name.js';

/** For an option that may be repeated. */
export function collect(value: string, before: string[]): string[] {
  return [...before, value];
}

/** Reads a whole number of this range, in decimal or hex. */
export function whole(min: number, max: number): (value: string) => number {
  return (value) => {
    const parsed = Number(value);
    if (/^(0x[\da-f]+|\d+)$/i.test(value) && parsed >= min && parsed <= max) return parsed;
    throw new InvalidArgumentError(`It is a whole number from ${min} to ${max}.`);
  };
}

/** Of schedules: all that differ, all, with few preemptions, drawn ones. */
export const SEARCHES = STRATEGIES.filter((name) => name !== 'replay');

export const seed = whole(0, 0xffffffff);
/** Of workers or daemons. */
export const jobs = whole(1, 256);
export const count = whole(0, 999_999_999);

export function seconds(value: string): number {
  const parsed = Number(value);
  if (parsed > 0 && parsed <= 86_400) return parsed;
  throw new InvalidArgumentError('It is a number of seconds, above 0 and at most 86400.');
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 };
const HUGE_BYTES = 2 ** 21;
/** Room for RAM beside the core's block and the windows of the coherent devices in the one memory of 4 GiB. */
const MAX_BYTES = 3582 * 2 ** 20;

/** Bytes of `512M`; NaN for what is no size. */
function bytesOf(value: string): number {
  const [, digits = 'none', unit = ''] = /^(\d+)([KMG]?)i?B?$/i.exec(value) ?? [];
  return Number(digits) * UNITS[unit.toUpperCase()]!;
}

/** Of a machine, which has whole 2 MiB blocks. */
export function size(value: string): number {
  const bytes = bytesOf(value);
  if (bytes >= 4 * HUGE_BYTES && bytes <= MAX_BYTES && bytes % HUGE_BYTES === 0) return bytes;
  throw new InvalidArgumentError('A size is 8M to 3582M in whole 2 MiB, as 512M or 2G.');
}

/** Of what the command itself may take. */
export function memory(value: string): number {
  const bytes = bytesOf(value);
  if (bytes > 0) return bytes;
  throw new InvalidArgumentError('A size is a number and a unit, as 256M or 2G.');
}

/** After a mistake, each command points to its own help. */
export function pointToHelp(command: Command, name = command.name()): void {
  command.showHelpAfterError(`See \`${name} --help\`.`);
  for (const sub of command.commands) pointToHelp(sub, `${name} ${sub.name()}`);
}

/** Does the command line itself say it? */
export function isGiven(command: Command, option: Option): boolean {
  return command.getOptionValueSource(option.attributeName()) === 'cli';
}

/** An option with an empty word is a script that had nothing to put there. */
export function refuseEmpty(root: Command): void {
  root.hook('preAction', (_, command) => {
    for (const option of command.options) {
      const value: unknown = command.getOptionValue(option.attributeName());
      if (value === '' || (Array.isArray(value) && value.includes('')))
        command.error(`error: option '${option.flags}' argument '' is empty.`);
    }
  });
}
