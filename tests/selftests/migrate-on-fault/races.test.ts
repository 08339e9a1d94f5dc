import { describe, test } from 'vitest';
import { inProcess } from '../../../index.js';
import { EQUAL_PATHS } from '../../../uapi/path-name.js';
import { count } from '../../counts.js';
import { raceCases } from './races.js';

const SCHEDULES = count(1, 120);

describe.each(EQUAL_PATHS)('on the %s path', (path) => {
  for (const race of raceCases(SCHEDULES)) {
    test(`${race.name} under ${SCHEDULES} schedules`, async () => {
      const transport = { current: inProcess({ path }) };
      const boot = async (options: object = {}) => {
        transport.current = inProcess({ path, ...options });
        return transport.current;
      };
      await race.run({ boot, path, seed: 1 });
      await transport.current.close();
    });
  }
});
