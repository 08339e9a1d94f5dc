import { faultAttr } from '../inject/fault-attr.js';
import type { InjectRule } from '../inject/inject-engine.js';
import { INJECT_POINTS, INJECT_RETURNS, type InjectReturn, PHASES, type PhaseName } from '../inject/inject-points.js';
import { explore } from './explore.js';
import type { Race } from './race.js';

/** One failure, in the words of the fault tokens: the nth hit (from 1) of a point in a phase returns this. */
export interface RaceFault {
  readonly point: string;
  readonly phase: PhaseName;
  readonly nth: number;
  readonly returns: InjectReturn;
}

/** The race with that failure, whatever schedule it runs under: it strikes from `start` on and until the outcome is asked for. */
export function withFault(race: Race, fault: RaceFault): Race {
  const rules = [ruleOf(fault)];
  return armedRace(race, () => race.machine.kernel.inject.arm(rules, { seed: 1 }));
}

/**
 * Every failure that a race can meet, one after the other. Which points it comes by is learned from some schedules that are drawn; a hit
 * that only other schedules have is not among them.
 */
export function raceFaults(race: Race, { schedules, seed }: { schedules: number; seed: number }): RaceFault[] {
  const most = new Map<string, { point: number; phase: number; hits: number }>();
  const { inject } = race.machine.kernel;
  const counted: Race = {
    ...armedRace(race, () => inject.arm([], { seed: 1, counts: true })),
    outcome() {
      for (const { point, phase, hits } of inject.siteCounts()) {
        const site = `${point} ${phase}`;
        if (hits > (most.get(site)?.hits ?? 0)) most.set(site, { point, phase, hits });
      }
      return '';
    },
  };
  explore(counted, { strategy: 'random', budget: schedules, seed, isChecked: false });
  return [...most.values()].flatMap(({ point, phase, hits }) =>
    Array.from({ length: hits }, (_, i) =>
      INJECT_POINTS[point]!.returns.map((returns) => ({
        point: INJECT_POINTS[point]!.name,
        phase: PHASES[phase]!,
        nth: i + 1,
        returns,
      })),
    ).flat(),
  );
}

function armedRace(race: Race, arm: () => void): Race {
  const { inject } = race.machine.kernel;
  return {
    machine: race.machine,
    start() {
      arm();
      race.start();
    },
    outcome() {
      inject.disarm();
      return race.outcome();
    },
    check: (outcome) => race.check?.(outcome),
  };
}

function ruleOf({ point, phase, nth, returns }: RaceFault): InjectRule {
  const id = INJECT_POINTS.findIndex(({ name }) => name === point);
  return {
    name: point,
    where: { points: [id as InjectRule['where']['points'][number]], phase: PHASES.indexOf(phase) },
    attr: faultAttr(),
    nth,
    after: null,
    returns: { [id]: INJECT_RETURNS[returns] },
    bytes: 0,
    delayTicks: 0,
    run: null,
  };
}
