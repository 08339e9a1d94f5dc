import { INJECT_POINTS, PHASES } from '../inject/inject-points.js';
import { type Injection, ruleOf } from '../inject/injection.js';
import { explore } from './explore.js';
import type { Race } from './race.js';

/** The race with that failure, whatever schedule it runs under: it strikes from `start` on and until the outcome is asked for. */
export function withFault(race: Race, fault: Injection): Race {
  const rules = [ruleOf(fault)];
  return armedRace(race, () => race.machine.kernel.inject.arm(rules, { seed: 1 }));
}

/**
 * Every failure that a race can meet, one after the other. Which points it comes by is learned from some schedules that are drawn; a hit
 * that only other schedules have is not among them.
 */
export function raceFaults(race: Race, { schedules, seed }: { schedules: number; seed: number }): Injection[] {
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
