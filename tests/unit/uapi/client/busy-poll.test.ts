import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { BusyPoll } from '../../../../uapi/client/busy-poll.js';

let now = 0;
let immediates: (() => void)[] = [];

beforeEach(() => {
  now = 0;
  immediates = [];
  vi.spyOn(performance, 'now').mockImplementation(() => now);
  vi.stubGlobal('setImmediate', (work: () => void) => immediates.push(work));
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllGlobals();
});

/** One round of the event loop, of which each takes 10 us. */
function round(): void {
  now += 0.01;
  for (const work of immediates.splice(0)) work();
}

const looks = () => immediates.length > 0;

/** Rounds until nobody looks any more. */
function rounds(): number {
  let count = 0;
  while (looks()) {
    round();
    count++;
  }
  return count;
}

describe('looking before sleeping', () => {
  it('does not begin by itself, nor with no time for it', () => {
    expect(looks()).toBe(false);
    const never = new BusyPoll(0);
    never.expect();
    never.arrived();
    expect(looks()).toBe(false);
    new BusyPoll(50);
    expect(looks()).toBe(false);
  });

  it('ends with its time', () => {
    const poll = new BusyPoll(50);
    poll.expect();
    expect(looks()).toBe(true);
    expect(rounds()).toBeGreaterThanOrEqual(5);
    expect(looks()).toBe(false);
  });

  it('ends when what is due has come, and goes on when something else is', () => {
    const poll = new BusyPoll(1000);
    poll.expect();
    round();
    poll.arrived();
    expect(rounds()).toBe(1);
    poll.expect();
    poll.arrived();
    poll.expect();
    round();
    expect(looks()).toBe(true);
  });

  it('lets more and more waits pass while it is in vain, and none once it paid', () => {
    const poll = new BusyPoll(50);
    const tried: number[] = [];
    for (let wait = 0; wait < 5000; wait++) {
      poll.expect();
      if (looks()) tried.push(wait);
      rounds();
    }
    expect(tried.slice(0, 6)).toEqual([0, 2, 6, 14, 30, 62]);
    expect(tried.length).toBeLessThan(16);
    while (!looks()) poll.expect();
    poll.arrived();
    rounds();
    poll.expect();
    expect(looks()).toBe(true);
  });
});
