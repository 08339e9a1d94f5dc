// What findings are told apart by: two are the same when what checked it, the kernel functions and what is said of the page are.

import { errorFinding, type FoundNow, stuckFinding } from '../../driver/explore/race-finding.js';
import { MachineError } from '../../driver/sys/machine/machine-error.js';
import type { CampaignFinding } from './campaign-job.js';

interface More extends Partial<CampaignFinding> {
  /** What tells it from findings of other work, where no kernel function does. */
  readonly of?: string | undefined;
}

export function finding(
  check: string,
  message: string,
  { of, page = pageOf(message), functions = [], token = null }: More = {},
): CampaignFinding {
  const isNamed = of !== undefined && functions.length === 0;
  return { check, message, page: isNamed ? `${of}: ${page}` : page, functions, token };
}

/** A message without numbers that differ from run to run: an errno does not, nor that an answer is 0. */
export function pageOf(message: string): string {
  return message.replace(
    /((?<![\w-])-\d+|(?<=\b(?:got|answers|dmirror) )0\b)|0x[\da-f]+|\b[\da-f]{8,}\b|\d+/gi,
    (_, kept?: string) => kept ?? '#',
  );
}

/** Of a schedule, a proof or a run of the machine. */
export function ofRace(
  { kind, message, functions, waits }: FoundNow,
  { of, token = null }: Pick<More, 'of' | 'token'>,
): CampaignFinding {
  const text = `${kind}: ${message}`;
  if (waits === undefined) return finding(kind, text, { of, functions, token });
  return finding(kind, text, { of, functions: [...new Set(functions)].sort(), page: pageOfWaits(waits), token });
}

/** Who waits in which call for what of whom, and holds what: whichever tasks and folios those are, and in whatever order. */
function pageOfWaits(waits: NonNullable<FoundNow['waits']>): string {
  const callOf = new Map<string | null, string>(waits.map(({ task, doing }) => [task, doing]));
  const lines = waits.map(({ task, doing, waitsFor, ownedBy, holds }) => {
    const owner = ownedBy === task ? 'its own' : (callOf.get(ownedBy) ?? 'another');
    const whose = ownedBy === null ? '' : ` of ${owner}`;
    return `${doing} waits for ${pageOf(waitsFor)}${whose}, holds ${holds.map((lock) => lock.replace(/ x\d+$/, ''))}`;
  });
  return [...new Set(lines)].sort().join('; ');
}

/** Of what a case threw: what the machine says of itself is the same in all cases, what the case expected is its own. */
export function ofCaseError(error: unknown, of: string): CampaignFinding {
  if (error instanceof MachineError && error.blocked.length > 0) return ofRace(stuckFinding(error), { of });
  if (error instanceof MachineError && error.cause !== undefined) return ofRace(errorFinding(error, 'error'), { of });
  const message = error instanceof Error ? error.message : String(error);
  return finding('case', message.split('\n')[0]!, { of, page: pageOf(message) });
}
