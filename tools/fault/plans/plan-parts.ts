import { type FaultReturn, faultPoint } from '../fault-points.js';
import type { Plan, Rule, Step } from './plan-schema.js';

/** Whether a plan needs a served machine. */
export function isServed({ machine, setup = [], steps = [], rules = [] }: Plan): boolean {
  const aboutSessions = (step: Step): boolean =>
    step.do === 'session' || step.do === 'drop' || step.session !== undefined || (step.steps ?? []).some(aboutSessions);
  const ofWire = (rule: Rule): boolean =>
    asList(rule.point).some(isWirePoint) ||
    (rule.run !== undefined && aboutSessions(rule.run)) ||
    (rule.then ?? []).some(ofWire);
  return machine?.served ?? ([...setup, ...steps].some(aboutSessions) || rules.some(ofWire));
}

export function isWirePoint(name: string): boolean {
  return faultPoint(name)?.layer === 'wire';
}

/** Checks nothing by itself; gives an object literal its type. */
export function definePlan(plan: Plan): Plan {
  return plan;
}

/** One thing or several, as plans write them. */
export function asList<T>(value: T | readonly T[] | undefined): readonly T[] {
  return value === undefined ? [] : Array.isArray(value) ? value : [value as T];
}

/** Which of a rule's words point `name` returns. */
export function returnAt(name: string, wanted: Rule['return']): FaultReturn | undefined {
  const returns = faultPoint(name)?.returns;
  return asList(wanted).find((word) => returns?.includes(word));
}

/** First and last page of `3` or `0-7`. */
export function pagesOf(pages: number | string): [number, number] {
  const [first, last = first] = String(pages).split('-').map(Number) as [number, number?];
  return [first, last];
}
