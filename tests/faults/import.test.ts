import { describe, expect, it } from 'vitest';
import { readScript } from '../../tools/fault/import/import.js';

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
    const point = ['page_alloc', 'thp_alloc', 'page_table_alloc'];
    expect(rules).toMatchObject([{ point, probability: 10, interval: 100, times: -1, return: 'ENOMEM' }]);
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
      [2, 'echo btrfs_open > /d/fail_function/inject'],
      [3, 'echo 1 > /d/fail_futex/probability'],
    ]);
  });

  it('takes fail-nth alone, as the kernel does', () => {
    const { rules } = readScript('echo 50 > /d/fail_usercopy/probability\necho 3 > /proc/self/fail-nth');
    const point = [
      ...['mirror_store', 'page_alloc', 'thp_alloc', 'page_table_alloc'],
      ...['copy_from_user', 'copy_to_user'],
    ];
    expect(rules).toEqual([{ name: 'imported 1', point, nth: 3, return: ['ENOMEM', 'EFAULT'] }]);
  });

  it('may loop, change folders, define functions and call shells', () => {
    const { rules, left } = readScript(
      [
        'cd /sys/kernel/debug/failslab && echo 5 > probability; echo 2 >space # relative',
        'faulty() {',
        '  bash -c "echo 1 > /proc/self/make-it-fail && exec $*"',
        '}',
        'for type in fail_usercopy \\',
        '    failslab; do',
        '  for knob in interval times; do echo 7 > /d/$type/$knob; done',
        'done',
        "sudo sh -c 'echo Y > /d/failslab/task-filter'",
        'trap "echo 0 > /d/failslab/probability" EXIT',
      ].join('\n'),
    );
    expect(left.map(({ line, text }) => [line, text])).toEqual([[3, 'echo 1 > /proc/self/make-it-fail']]);
    expect(rules).toEqual([
      {
        name: 'imported 1',
        point: 'mirror_store',
        probability: 5,
        space: 2,
        interval: 7,
        times: 7,
        return: 'ENOMEM',
      },
      {
        name: 'imported 2',
        point: ['copy_from_user', 'copy_to_user'],
        scope: 'machine',
        interval: 7,
        times: 7,
        return: 'EFAULT',
      },
    ]);
  });

  it('lists what is known only when it runs', () => {
    const { rules, left } = readScript(
      [
        'for f in $(cat names); do',
        '  echo $f > /d/fail_function/inject',
        'done',
        'cat /sys/module/$module/sections/.text > /d/fail_page_alloc/require-start',
        'echo lots > /d/failslab/times',
        'modprobe $module',
        'echo > /d/fail_function/inject',
      ].join('\n'),
    );
    expect(rules).toEqual([]);
    expect(left.map(({ line, why }) => [line, why])).toEqual([
      [2, "'$f' has no value before it runs"],
      [4, 'not a write to a knob whose value is known before it runs'],
      [5, 'times is a whole number'],
    ]);
  });

  it('fails huge pages alone from the order of two pages on', () => {
    const script = (order: number) => `cd /d/fail_page_alloc\necho 100 > probability\necho ${order} > min-order`;
    const points = (order: number) => readScript(script(order)).rules.map(({ point }) => point);
    expect([points(0), points(1), points(10)]).toEqual([
      [['page_alloc', 'thp_alloc', 'page_table_alloc']],
      ['thp_alloc'],
      [],
    ]);
  });

  it('takes a fail-nth of 0 as its end, and lists one that is no number', () => {
    const { rules, left } = readScript(
      'echo 3 > /proc/self/fail-nth\necho x > /proc/self/fail-nth\necho 0 > /proc/self/fail-nth\necho 5 > /d/failslab/probability\necho y > /d/fail_function/swap_read_folio/retval',
    );
    expect(rules).toMatchObject([{ point: 'mirror_store', probability: 5 }]);
    expect(rules[0]).not.toHaveProperty('nth');
    expect(left.map(({ line, why }) => [line, why])).toEqual([
      [2, 'fail-nth is a whole number from 0'],
      [5, 'retval is a whole number'],
    ]);
  });

  it('means what was armed while its program ran, not what it resets at the end', () => {
    const { rules, left } = readScript(
      [
        'echo 1 > /d/fail_page_alloc/probability',
        'echo 10000 > /d/fail_page_alloc/times',
        'echo 100 > /d/failslab/probability',
        'echo 5 > /d/failslab/times',
        './hmm-tests',
        'echo 0 > /d/fail_page_alloc/probability',
        'sleep 1',
        'echo 0 > /d/failslab/times',
        'dmesg -c > log',
      ].join('\n'),
    );
    expect(left).toEqual([]);
    expect(rules).toMatchObject([
      { point: ['page_alloc', 'thp_alloc', 'page_table_alloc'], probability: 1, times: 10000 },
      { point: 'mirror_store', probability: 100, times: 5 },
    ]);
  });

  it('calls its functions, with their arguments', () => {
    const { rules, left } = readScript(
      [
        'D=/sys/kernel/debug',
        'arm() { echo $2 > $D/$1/probability; echo -1 > $D/$1/times; }',
        'function disarm {',
        '  echo 0 > $D/$1/probability',
        '}',
        'arm failslab 7',
        './hmm-tests && disarm failslab',
      ].join('\n'),
    );
    expect(left).toEqual([]);
    expect(rules).toMatchObject([{ point: 'mirror_store', probability: 7, times: -1 }]);
  });

  it('is one rule where the kernel has one count', () => {
    const { rules } = readScript("sh -c 'echo 3 > /proc/self/fail-nth; exec ./hmm-tests -t migrate'");
    expect(rules).toMatchObject([{ nth: 3 }]);
    expect(rules[0]!.point).toHaveLength(6);
  });

  it.each([
    'for n in $(seq 2 20); do',
    'for n in {2..20}; do',
    'for ((n=2; n<=20; n++)); do',
    'n=2; while [ $n -le 20 ]; do',
  ])('that tries every fail-nth (%s) is pointed to the sweep', (loop) => {
    const { rules, left } = readScript(`${loop}\n  echo $n > /proc/self/fail-nth\n  ./hmm-tests\ndone`);
    expect(rules).toMatchObject([{ nth: 2 }]);
    expect(left.map(({ why }) => why)).toEqual([expect.stringContaining('`dmirror fault sweep`')]);
  });

  it('may hide the file in a variable, a here-string or a here-document; what is not known is listed', () => {
    const { rules, left } = readScript(
      [
        'K=/d/failslab/probability',
        'echo 4 > "$K"',
        '> /d/failslab/times echo 6',
        'tee /d/failslab/interval <<< 3',
        'cat > /d/failslab/space <<EOF',
        '9',
        'EOF',
        'echo 1 > "$UNKNOWN"',
        'echo 1 > $(find /d -name times)',
        './hmm-tests > $LOG',
      ].join('\n'),
    );
    expect(rules).toMatchObject([{ probability: 4, times: 6, interval: 3, space: 9 }]);
    expect(left.map(({ line }) => line)).toEqual([8, 9, 10]);
  });

  it.each([
    ['echo 5 | sudo dd of=/d/failslab/times bs=1 2>/dev/null', { times: 5 }],
    ['sudo tee /d/failslab/times >/dev/null <<< 6', { times: 6 }],
    ['(echo 7 > /d/failslab/times)', { times: 7 }],
    ['echo 8 | tee /d/fail_futex/times /d/{failslab,fail_io}/times > /dev/null', { times: 8 }],
    ['if [ -e /d ]; then echo 9 > /d/failslab/times; elif x; then echo 1 > /d/y; fi', { times: 9 }],
  ])('is read in the way that it is written: %s', (line, wanted) => {
    expect(readScript(`${line}\n./hmm-tests`).rules).toMatchObject([{ point: 'mirror_store', ...wanted }]);
  });

  it.each([
    ['{ echo 6; } > /d/failslab/space', 'not a write'],
    ['exec 3> /d/failslab/times', 'not a write'],
    [`python3 -c "open('/d/failslab/times', 'w').write('7')"`, 'not a write'],
    ['[ -e /d ] || true; if x; then :; else echo 99 > /d/failslab/probability; fi', 'in another branch'],
    ['if x; then K=failslab; else K=fail_usercopy; fi; echo 1 > /d/$K/times', "'$K' has no value"],
    ['vng --append "failslab=1,2" -- ./t', 'four numbers'],
  ])('loses no line without a word: %s', (script, why) => {
    const { rules, left } = readScript(script);
    expect([rules, left.map((one) => one.why).join()]).toEqual([[], expect.stringContaining(why)]);
  });

  it.each([
    ['./failcmd.sh --probability=20 -t 100 --interval=3 -- ./hmm-tests', { point: 'mirror_store', interval: 3 }],
    [
      'FAILCMD_TYPE=fail_page_alloc ./failcmd.sh -p 20 --times 100 ./hmm-tests',
      { point: ['page_alloc', 'thp_alloc', 'page_table_alloc'] },
    ],
  ])('may call failcmd.sh: %s', (script, wanted) => {
    const { rules, left } = readScript(script);
    expect(left).toEqual([]);
    expect(rules).toMatchObject([{ probability: 20, times: 100, ...wanted }]);
    expect(rules[0]).not.toHaveProperty('scope');
  });

  it.each([
    'BOOT_IMAGE=/vmlinuz root=/dev/sda failslab=2,10,3,-1 quiet',
    'GRUB_CMDLINE_LINUX="quiet failslab=2,10,3,-1"',
    'qemu-system-x86_64 -append "failslab=2,10,3,-1 console=ttyS0"',
  ])('may be a command line of the kernel: %s', (script) => {
    const rule = { point: 'mirror_store', interval: 2, probability: 10, space: 3, times: -1, scope: 'machine' };
    expect(readScript(script).rules).toMatchObject([rule]);
  });
});
