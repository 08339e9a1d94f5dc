import { describe, expect, it } from 'vitest';
import { runWireFault } from '../../tools/fault/wire.js';
import { WIRE_FAULTS } from '../../tools/fault/wire-proxy.js';

/** A frame in the middle: the client has a process and an open device by then. */
const NTH = 7;

describe('a mistreated frame', () => {
  it('is one of some that the client sends', async () => {
    const { frames, violations } = await runWireFault('unified', null);
    expect(violations).toEqual([]);
    expect(frames).toBeGreaterThan(NTH);
  });

  it.each(WIRE_FAULTS)('(%s) costs nobody else anything', async (kind) => {
    expect((await runWireFault('unified', { kind, nth: NTH })).violations).toEqual([]);
  });
});
