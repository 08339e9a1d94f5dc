import { expect, it } from 'vitest';
import { pageStateText } from '../../../../driver/sys/machine/inspect-text.js';
import { peekString, peekUser } from '../../../../driver/sys/machine/peek-user.js';
import { commandNumber, dialectByName } from '../../../../uapi/dialect.js';
import { encodeHmmDmirrorCmd } from '../../../../uapi/hmm-dmirror.js';
import { MADV_PAGEOUT, PAGE_SIZE, PROT_NONE } from '../../../../uapi/mman.js';
import { anon, ret, smallMachine } from '../helpers.js';

it('shows what a program would read, and changes nothing', () => {
  const { main, mm } = smallMachine().createProcess();
  const addr = anon(main, 3);
  ret(main, 'store', addr + PAGE_SIZE - 2, Uint8Array.of(1, 2, 3, 4));
  const before = pageStateText(mm, addr, addr + 3 * PAGE_SIZE);
  expect(peekUser(mm, addr + PAGE_SIZE - 3, 6)).toEqual(Uint8Array.of(0, 1, 2, 3, 4, 0));
  expect(peekUser(mm, addr + 2 * PAGE_SIZE, 2)).toEqual(Uint8Array.of(0, 0));
  expect(pageStateText(mm, addr, addr + 3 * PAGE_SIZE)).toBe(before);
  ret(main, 'store', addr, new TextEncoder().encode('text\0'));
  expect(peekString(mm, addr)).toBe('text');
});

it('can not tell what is unmapped, not to be read, on a device or in swap', () => {
  const { main, mm } = smallMachine({ swapBytes: 1 << 20 }).createProcess();
  const addr = anon(main, 3);
  ret(main, 'store', addr, new Uint8Array(3 * PAGE_SIZE));
  const fd = ret(main, 'open', '/dev/hmm_dmirror0', 2);
  const record = encodeHmmDmirrorCmd({ addr, ptr: addr + PAGE_SIZE, npages: 1 });
  ret(main, 'ioctlBytes', fd, commandNumber(dialectByName('dmirror')!, 'MIGRATE_TO_DEV')!, record);
  ret(main, 'madvise', addr + PAGE_SIZE, PAGE_SIZE, MADV_PAGEOUT);
  ret(main, 'mprotect', addr + 2 * PAGE_SIZE, PAGE_SIZE, PROT_NONE);
  for (const at of [0, -8, 2 ** 50, ...[0, 1, 2].map((i) => addr + i * PAGE_SIZE)])
    expect(peekUser(mm, at, 4)).toBeNull();
});
