import { describe, expect, it } from 'vitest';
import { readScript } from '../../tools/fault/import.js';

describe('a kernel script', () => {
  it('becomes rules with its knobs', () => {
    const { rules, left } = readScript(
      [
        '#!/bin/bash',
        'FAILTYPE=fail_page_alloc',
        'echo 10 > /sys/kernel/debug/$FAILTYPE/probability',
        'echo 100 > /sys/kernel/debug/$FAILTYPE/interval',
        "echo -1 > '/sys/kernel/debug/fail_page_alloc/times'",
      ].join('\n'),
    );
    const knobs = { probability: 10, interval: 100, times: -1, return: 'ENOMEM' };
    expect(rules).toMatchObject([
      { point: 'page_alloc', ...knobs },
      { point: 'thp_alloc', ...knobs },
      { point: 'page_table_alloc', ...knobs },
    ]);
    expect(left).toEqual([]);
  });

  it('may be written with tee, for sudo', () => {
    const { rules, left } = readScript(
      'echo 7 | sudo tee /d/failslab/probability > /dev/null\necho 3 | tee -a /d/failslab/times',
    );
    expect(left).toEqual([]);
    expect(rules).toMatchObject([{ point: 'mirror_store', probability: 7, times: 3 }]);
  });

  it('keeps the errno of a failing function where the point has it', () => {
    const { rules } = readScript(
      'echo swap_read_folio > /d/fail_function/inject\nprintf %#x -12 > /d/fail_function/swap_read_folio/retval',
    );
    expect(rules).toMatchObject([{ point: 'swap_read', return: 'ENOMEM' }]);
  });

  it('lists what has no counterpart, with its line', () => {
    const { rules, left } = readScript(
      'echo 2 > /d/failslab/verbose\necho btrfs_open > /d/fail_function/inject\necho 1 > /d/fail_futex/probability',
    );
    expect(rules).toEqual([]);
    expect(left.map(({ line, text }) => [line, text])).toEqual([
      [1, 'echo 2 > /d/failslab/verbose'],
      [3, 'echo 1 > /d/fail_futex/probability'],
      [0, 'btrfs_open'],
    ]);
  });

  it('takes fail-nth alone, as the kernel does', () => {
    const { rules } = readScript('echo 50 > /d/fail_usercopy/probability\necho 3 > /proc/self/fail-nth');
    expect(rules).toEqual([
      { name: 'imported 1', point: 'copy_from_user', nth: 3, return: 'EFAULT' },
      { name: 'imported 2', point: 'copy_to_user', nth: 3, return: 'EFAULT' },
    ]);
  });
});
