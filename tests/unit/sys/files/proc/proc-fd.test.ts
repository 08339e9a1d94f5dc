import { expect, it } from 'vitest';
import { EventFd } from '../../../../../driver/sys/files/event-fd.js';
import { HugetlbfsFile, HugetlbfsInode } from '../../../../../driver/sys/files/hugetlbfs-file.js';
import { createPipe } from '../../../../../driver/sys/files/pipe-end.js';
import { procLink } from '../../../../../driver/sys/files/proc/proc-self.js';
import { F_SEAL } from '../../../../../driver/sys/files/seals.js';
import type { TmpfsFile } from '../../../../../driver/sys/files/tmpfs-file.js';
import { EBADF, EINVAL, ENOENT, ENOTDIR, ENXIO, EPERM, ETXTBSY } from '../../../../../uapi/errno.js';
import { O_ACCMODE, O_CREAT, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } from '../../../../../uapi/fcntl.js';
import { inKernel, ret, smallMachine } from '../../helpers.js';

const hello = Uint8Array.of(1, 2, 3, 4);

it('a link to a tmpfs file opens that file anew, whatever became of its name', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const fd = ret(main, 'open', '/tmp/a', O_CREAT | O_WRONLY);
  ret(main, 'pwrite', fd, hello, 0);
  ret(main, 'unlink', '/tmp/a');
  const again = ret(main, 'open', `/proc/self/fd/${fd}`, O_RDONLY);
  expect(machine.call(main, 'pread', again, 9, 0).bytes).toEqual(hello);
  expect(ret(main, 'pwrite', again, hello, 0)).toBe(-EBADF);
  ret(main, 'close', fd);
  const file = main.process.files.get(again) as TmpfsFile;
  expect([file.path, file.dPath, file.inode.opens]).toEqual(['/tmp/a', '/tmp/a (deleted)', 1]);
  file.inode.seals = F_SEAL.shrink;
  const link = `/proc/${main.process.pid}/fd/${again}`;
  expect([ret(main, 'open', link, O_RDWR | O_TRUNC), file.inode.opens]).toEqual([-EPERM, 1]);
  file.inode.seals = 0;
  expect([ret(main, 'open', link, O_TRUNC), file.stat().size]).toEqual([fd, 0]);
  ret(main, 'close', fd);
  ret(main, 'close', again);
  expect(machine.memory.mappings.size).toBe(0);
});

it('a link to a pipe opens the end that is asked for, or both', () => {
  const machine = smallMachine();
  const { main, files } = machine.createProcess();
  const { reader, writer } = createPipe(machine, 0);
  const link = `/proc/self/fd/${files.install(reader)}`;
  const both = files.get(ret(main, 'open', link, O_RDWR))!;
  expect([reader.pipe.readers, reader.pipe.writers]).toEqual([2, 2]);
  expect([both.isReadable, both.isWritable, both.dPath]).toEqual([true, true, 'pipe:[4]']);
  expect(ret(main, 'open', link, O_ACCMODE)).toBe(-EINVAL);
  inKernel(main, () => writer.put());
  ret(main, 'close', 1);
  expect([reader.pipe.readers, reader.pipe.writers]).toEqual([1, 0]);
});

it('other links open what can be opened by its path, and nothing without an inode of its own', () => {
  const machine = smallMachine({ hugePages: 1 });
  const { main, files } = machine.createProcess();
  const reopened = (fd: number, flags = O_RDONLY): number => ret(main, 'open', `/proc/self/fd/${fd}`, flags);
  const huge = files.install(new HugetlbfsFile(machine, O_RDWR, new HugetlbfsInode(machine.memory)));
  expect(files.get(reopened(huge))).toBeInstanceOf(HugetlbfsFile);
  expect(reopened(files.install(new EventFd(machine, 0, 0)))).toBe(-ENXIO);
  const text = reopened(ret(main, 'open', '/proc/meminfo', O_RDONLY));
  expect(machine.call(main, 'pread', text, 8, 0).ret).toBe(8);
  const tmp = ret(main, 'open', '/tmp', O_RDONLY);
  expect(ret(main, 'open', `/proc/self/fd/${tmp}/new`, O_CREAT)).toBeGreaterThan(0);
  expect(ret(main, 'open', '/tmp/new', O_RDONLY)).toBeGreaterThan(0);
  expect([reopened(77), ret(main, 'open', `/proc/self/fd/${text}/x`, O_RDONLY)]).toEqual([-ENOENT, -ENOTDIR]);
});

it('links of another process lead to what that has open, by its pid', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const child = machine.threadByTid(ret(main, 'fork'))!;
  const fd = ret(child, 'open', '/tmp/a', O_CREAT | O_WRONLY);
  ret(child, 'pwrite', fd, hello, 0);
  const link = `/proc/${child.tid}/fd/${fd}`;
  expect([procLink(main, link), procLink(main, `/proc/self/fd/${fd}`)]).toEqual(['/tmp/a', null]);
  expect(machine.call(main, 'pread', ret(main, 'open', link, O_RDONLY), 9, 0).bytes).toEqual(hello);
  ret(child, 'exit', 0);
  expect([procLink(main, link), ret(main, 'open', link, O_RDONLY)]).toEqual([null, -ENOENT]);
});

it('a program that runs is not opened for writing', () => {
  const machine = smallMachine();
  const { main, owner } = machine.createProcess();
  const fd = ret(main, 'open', '/tmp/program', O_CREAT | O_RDWR);
  inKernel(main, () => machine.vfs.addProgram('/bin/program', (main.process.files.get(fd) as TmpfsFile).inode, owner));
  expect(ret(main, 'open', `/proc/self/fd/${fd}`, O_RDWR)).toBe(-ETXTBSY);
  expect(ret(main, 'open', `/proc/self/fd/${fd}`, O_RDONLY)).toBe(fd + 1);
});
