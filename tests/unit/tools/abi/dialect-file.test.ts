import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { Machine } from '../../../../driver/sys/machine/machine.js';
import { loadDialectFile } from '../../../../tools/abi/dialect-file.js';
import { UsageError } from '../../../../tools/exit-code.js';
import { dialectByName } from '../../../../uapi/dialect.js';
import { EINVAL } from '../../../../uapi/errno.js';
import { O_RDWR } from '../../../../uapi/fcntl.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { loadAbiHistory } from '../../uapi/abi-history.js';
import { headerOf } from './headers.js';

const folder = mkdtempSync(join(tmpdir(), 'dmirror-dialect-'));
afterAll(() => rmSync(folder, { recursive: true }));
const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

describe('a header as a dialect', () => {
  test('has the numbers of each generation', async () => {
    for (const generation of loadAbiHistory().generations) {
      if (generation.id === 'P0') continue;
      const { dialect } = await loadDialectFile(file(`own-${generation.id}.h`, headerOf(generation)));
      const built = dialectByName(generation.id)!;
      expect([generation.id, new Map(dialect.numbers)]).toEqual([generation.id, new Map(built.numbers)]);
      expect(new Map(dialect.spelling)).toEqual(new Map(built.spelling));
    }
  });

  test('runs on the machine with numbers never seen, and answers EINVAL for what it does not know', async () => {
    const text = `#include <linux/types.h>
#include <linux/ioctl.h>
struct hmm_dmirror_cmd { __u64 addr, ptr, npages, cpages, faults; __u64 more[2]; };
#define HMM_DMIRROR_SNAPSHOT _IOWR('M', 0x31, struct hmm_dmirror_cmd)
#define HMM_DMIRROR_DANCE _IOWR('M', 0x32, struct hmm_dmirror_cmd)
`;
    const { dialect, unmatched } = await loadDialectFile(file('v9.h', text), { name: 'v9' });
    expect([...dialect.numbers]).toEqual([['SNAPSHOT', 0xc0384d31]]);
    expect(unmatched).toEqual(['HMM_DMIRROR_DANCE: no command of that name is known']);
    const machine = new Machine({ ramBytes: 16 * 2 ** 20, dialect: 'v9' });
    const { main } = machine.createProcess();
    const fd = machine.call(main, 'open', '/dev/hmm_dmirror0', O_RDWR, 0).ret;
    const ptr = machine.call(main, 'mmap', 0, 8192, 3, 0x22, -1, 0).ret;
    machine.call(main, 'store', ptr + 4096, Uint8Array.of(1));
    const record = encodeHmmDmirrorCmd({ addr: ptr + 4096, ptr, npages: 1 });
    expect(machine.call(main, 'ioctlBytes', fd, 0xc0384d31, record).ret).toBe(0);
    expect([...machine.call(main, 'load', ptr, 1).bytes!]).toEqual([2]);
    expect(machine.call(main, 'ioctlBytes', fd, 0xc0384d32, record).ret).toBe(-EINVAL);
  });

  test('whose record the device can not read is told so', async () => {
    const text = "struct r { unsigned int addr; };\n#define HMM_DMIRROR_READ _IOWR('H', 0, struct r)\n";
    await expect(loadDialectFile(file('small.h', text))).rejects.toThrow(UsageError);
    await expect(loadDialectFile(file('M5.h', text))).rejects.toThrow("there is a dialect 'M5' already");
  });
});
