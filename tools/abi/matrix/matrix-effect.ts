import { errnoName } from '../../../uapi/errno.js';
import type { CallStatus } from './matrix-run.js';

/** What a call left behind. */
export interface Observation {
  /** 0 or a negative errno. */
  readonly ret: number;
  readonly cpages: number;
  /** Bytes that changed at ptr and behind it. */
  readonly stored: number;
  /** The client's buffer. */
  readonly roomBytes: number;
  /** How far behind the buffer's end the last changed byte is. */
  readonly overrun: number;
  /** SNAPSHOT of the range afterwards. */
  readonly state: string;
  readonly contents: string;
  /** What a migration of another page answers afterwards. */
  readonly later: string;
}

/** Says how what happened differs from what should have. `expected` is undefined when the wanted command is not modelled. */
export function describeRun(
  { wanted, ran }: { wanted: string; ran: string | undefined },
  got: Observation,
  expected: Observation | undefined,
): { status: CallStatus; text: string } {
  if (ran === undefined) return { status: 'refused', text: `${wanted} is unknown: -${errnoName(got.ret)}` };
  if (expected === undefined) return { status: 'not modelled', text: `${wanted} is not modelled` };
  const calls = `${wanted} runs ${ran}`;
  const wrong = wrongEffects(got, expected);
  if (got.ret < 0 && expected.ret >= 0) {
    const also = wrong.length > 0 ? `, ${wrong.join(', ')}` : '';
    return { status: 'silent', text: `${calls}: -${errnoName(got.ret)}${also}` };
  }
  if (wrong.length === 0) return { status: 'same', text: `${calls}: no difference seen` };
  return { status: 'silent', text: `${calls}: returns ${got.ret}, ${wrong.join(', ')}` };
}

function wrongEffects(got: Observation, expected: Observation): string[] {
  const wrong: string[] = [];
  if (got.overrun > 0)
    wrong.push(`stores ${got.stored} bytes at ptr, ${got.overrun} of them behind the client's ${got.roomBytes}`);
  else if (got.stored !== expected.stored) wrong.push(`stores ${got.stored} of ${expected.stored} bytes at ptr`);
  if (got.contents !== expected.contents) wrong.push(`the range holds ${got.contents}, not ${expected.contents}`);
  if (got.state !== expected.state) wrong.push(`SNAPSHOT of the range is ${got.state}, not ${expected.state}`);
  if (got.later !== expected.later) wrong.push('the next migration fails');
  if (wrong.length === 0 && got.ret >= 0 && got.cpages !== expected.cpages)
    wrong.push(`cpages is ${got.cpages}, not ${expected.cpages}`);
  return wrong;
}
