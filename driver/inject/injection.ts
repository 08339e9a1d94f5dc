import { faultAttr } from './fault-attr.js';
import type { InjectRule } from './inject-engine.js';
import { INJECT_RETURNS, type InjectReturn, PHASES, type PhaseName, pointByName } from './inject-points.js';

/** One injected failure: the nth hit (from 1) of a point in a phase returns this. */
export interface Injection {
  readonly point: string;
  readonly phase: PhaseName;
  readonly nth: number;
  readonly returns: InjectReturn;
}

/** The rule that makes it happen; `index` tells it from others of the run. */
export function ruleOf({ point, phase, nth, returns }: Injection, index = 0): InjectRule {
  const id = pointByName(point);
  return {
    name: `${index + 1}: ${point} in ${phase}, hit ${nth}, returns ${returns}`,
    where: { points: [id], phase: PHASES.indexOf(phase) },
    attr: faultAttr(),
    nth,
    after: null,
    returns: { [id]: INJECT_RETURNS[returns] },
    bytes: returns === 'SHORT' ? 1000 : 0,
    delayTicks: 0,
    run: null,
  };
}
