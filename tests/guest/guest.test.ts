import { existsSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { EQUAL_PATHS } from '../../uapi/path-name.js';
import { count, isLong, some } from '../counts.js';
import { needs } from '../needs.js';
import { COMPILER, GuestBuild, guestPrograms, QEMU, runInQemu } from './compile.js';
import { runGuest } from './run.js';

const ENV = ['GUEST=yes'];
/** Programs that need the device, or what qemu-user lacks. */
const ONLY_HERE = [
  'clone',
  'fork-storm',
  'harness',
  'ioctls',
  'jobs',
  'memory',
  'numbering',
  'partial',
  'proc',
  'prctl',
  'process-vm',
  'race',
  'reexec',
  'refusals',
  'userfault',
];

/** Programs whose tasks wait for each other by the clock. */
const SLEEPS = new Set(['signals', 'waits']);
const MOST_RUNS = 5;

function expectedOf(name: string): string {
  const file = new URL(`./expected/${name}.txt`, import.meta.url);
  return existsSync(file) ? readFileSync(file, 'latin1') : '(no expected output is stored)';
}

describe('guest programs', needs(COMPILER), () => {
  const build = new GuestBuild();
  afterAll(() => build.remove());
  const built = new Map<string, string>();
  const program = (name: string): string => {
    const known = built.get(name) ?? build.compile(name);
    built.set(name, known);
    return known;
  };
  const shown = ({ output, status }: { output: string; status: number | null }): string => `${output}exit ${status}\n`;

  for (const [i, name] of some(guestPrograms(), 3).entries()) {
    for (const path of isLong ? EQUAL_PATHS : [EQUAL_PATHS[i % 2]!]) {
      it(`${name} does what it should on the ${path} path`, () => {
        expect(shown(runGuest(program(name), { env: ENV, machine: { path } }))).toBe(expectedOf(name));
      });
    }
    if (ONLY_HERE.includes(name)) continue;
    it(`${name} does the same in qemu`, needs(QEMU), () => {
      const outputs: string[] = [];
      // There its sleeps are real ones, in which others may not come as far on a busy machine: then it is asked again.
      do outputs.push(shown(runInQemu(program(name), { GUEST: 'yes' })));
      while (outputs.at(-1) !== expectedOf(name) && SLEEPS.has(name) && outputs.length < MOST_RUNS);
      expect(outputs.at(-1)).toBe(expectedOf(name));
    });
  }

  it('a static-PIE is put at a place of its own', () => {
    const pie = build.compile('pie/start', ['-static-pie', '-fPIE', '-nostdlib', '-Wl,--no-dynamic-linker']);
    expect(shown(runGuest(pie))).toBe('position independent\nexit 0\n');
  });

  it('the same seed gives the same system calls at the same time, also where nobody watches, another seed others', () => {
    const run = (seed: number, watched = true) => {
      const { output, strace, ticks } = runGuest(program('threads'), { env: ENV, strace: watched, machine: { seed } });
      return { output, strace, ticks };
    };
    const first = run(1);
    expect(run(1)).toEqual(first);
    expect(run(1, false).ticks).toBe(first.ticks);
    expect(run(2).strace).not.toEqual(first.strace);
  });

  it('every seed lets the races end well', () => {
    for (let seed = 1; seed <= count(1, 6); seed++) {
      const path = seed % 2 === 0 ? 'classic' : 'unified';
      expect(shown(runGuest(program('race'), { machine: { seed, path } })), `seed ${seed}`).toBe(expectedOf('race'));
    }
  });

  it('ioctls are traced by their names in the dialect', () => {
    const { strace } = runGuest(program('ioctls'), { strace: true });
    const shown =
      /ioctl\(\d+, HMM_DMIRROR_MIGRATE_TO_DEV, \{addr=0x[\da-f]+, ptr=0x[\da-f]+, npages=\d+\}\) = 0 \{cpages=\d+, faults=\d+\}/;
    expect(strace.some((line) => shown.test(line))).toBe(true);
    expect(strace.some((line) => line.includes('mmap(NULL, '))).toBe(true);
    expect(strace.some((line) => line.includes('PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0)'))).toBe(true);
    expect(strace.some((line) => /= -1 EFAULT/.test(line))).toBe(true);
  });

  const GUP_TESTS: readonly (readonly [dialect: string, output: string])[] = [
    [
      '5.10',
      '5.10: 8192 bytes\n5.12: no file (errno 2)\n6.1 longterm: no file (errno 2)\n6.12 longterm: no file (errno 2)\n',
    ],
    ['5.12', '5.10: no file (errno 2)\n5.12: 8192 bytes\n6.1 longterm: errno 22\n6.12 longterm: errno 22\n'],
    ['6.1', '5.10: no file (errno 2)\n5.12: errno 22\n6.1 longterm: 8192 bytes\n6.12 longterm: 8192 bytes\n'],
    ['6.12', '5.10: no file (errno 2)\n5.12: errno 22\n6.1 longterm: 0 bytes\n6.12 longterm: 8192 bytes\n'],
    ['M5', '5.10: no file (errno 2)\n5.12: errno 22\n6.1 longterm: 0 bytes\n6.12 longterm: 8192 bytes\n'],
  ];

  it.each(some(GUP_TESTS, 2))('gup_test is that of the kernel by which the dialect is named: %s', (dialect, output) => {
    expect(runGuest(program('reports/gup'), { dialect }).output).toBe(output);
  });

  it('a crash is reported with registers, backtrace and mapping', () => {
    const { crashes, status } = runGuest(build.compile('reports/crash', ['-static', '-fno-omit-frame-pointer']));
    expect(status).toBe(128 + 11);
    expect(crashes).toHaveLength(1);
    expect(crashes[0]).toMatch(/^reports-crash\[1\]: SIGSEGV \(code 1\) at 0x8, pc 0x[\da-f]+ walk\+0x/);
    expect(crashes[0]).toMatch(/#1 0x[\da-f]+ outer\+0x[\da-f]+\n {2}#2 0x[\da-f]+ main\+0x/);
    expect(crashes[0]).toMatch(/ra [\da-f]{16} {4}sp 00007f/);
    expect(crashes[0]).toMatch(/mapping:\n {2}none\n {2}above: [\da-f]+-[\da-f]+ r-xp/);
  });

  it('what is asked for in vain is told by name, and how much memory there was for who found none', () => {
    const { unsupported, crashes, status } = runGuest(build.compile('reports/vain'), {
      machine: { ramBytes: 64 * 2 ** 20 },
    });
    expect(status).toBe(128 + 9);
    expect([...new Set(unsupported)]).toEqual([
      'file /proc/self/nothing-of-that-name',
      'ioctl FIONREAD of /dev/null',
      'system call mseal (462)',
      'system call 100000',
      'prctl PR_SET_VMA',
      'setrlimit of RLIMIT_STACK',
      'another value of /proc/sys/vm/overcommit_memory',
    ]);
    expect(crashes).toEqual([
      expect.stringMatching(
        /^reports-vain\[1\]: killed, as there is no memory for 0x[\da-f]+:\n {2}RAM 64 MiB, .*--ram gives more/,
      ),
    ]);
  });

  it('threads that wait for each other are reported as a hang', () => {
    const path = build.compile('reports/deadlock');
    expect(() => runGuest(path)).toThrow(/deadlock.*futex 0x[\da-f]+.*futex 0x/s);
  });
});
