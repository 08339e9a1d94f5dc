import { describe, expect, it } from 'vitest';
import { EEXIST, EISDIR, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM } from '../../../../uapi/errno.js';
import { O_CREAT, O_DIRECTORY, O_EXCL, O_RDWR } from '../../../../uapi/fcntl.js';
import { inKernel, ret, smallMachine } from '../helpers.js';

describe('the tree of paths', () => {
  const machine = smallMachine();
  const { main } = machine.createProcess();
  const open = (path: string, flags = O_RDWR): number => ret(main, 'open', path, flags);

  it.each([
    ['/tmp/none', O_RDWR, -ENOENT],
    ['/nowhere/file', O_CREAT, -ENOENT],
    ['/dev/hmm_dmirror0/x', O_RDWR, -ENOTDIR],
    ['/dev/hmm_dmirror0', O_DIRECTORY, -ENOTDIR],
    ['/dev/hmm_dmirror0', O_CREAT | O_EXCL, -EEXIST],
    ['/tmp', O_RDWR, -EISDIR],
    [`/tmp/${'x'.repeat(256)}`, O_CREAT, -ENAMETOOLONG],
    ['/'.repeat(5000), O_RDWR, -ENAMETOOLONG],
  ])('open of %s with %i answers %i', (path, flags, answer) => expect(open(path, flags)).toBe(answer));

  it('a file of /tmp is found by its name until that is removed, and its bytes until it is closed', () => {
    const fd = open('/tmp/a', O_CREAT | O_RDWR);
    expect(open('/tmp/a', O_CREAT | O_EXCL)).toBe(-EEXIST);
    expect(ret(main, 'pwrite', fd, Uint8Array.of(7), 0)).toBe(1);
    expect(ret(main, 'unlink', '/tmp/a')).toBe(0);
    expect(open('/tmp/a')).toBe(-ENOENT);
    expect([...machine.call(main, 'pread', fd, 1, 0).bytes!]).toEqual([7]);
    expect(ret(main, 'unlink', '/dev/hmm_dmirror0')).toBe(-EPERM);
    expect(ret(main, 'unlink', '/tmp')).toBe(-EISDIR);
  });

  it('a name that is given to another file is that one from then on', () => {
    for (const name of ['b', 'c'])
      ret(main, 'pwrite', open(`/tmp/${name}`, O_CREAT | O_RDWR), Uint8Array.of(name.charCodeAt(0)), 0);
    expect(inKernel(main, () => machine.vfs.rename('/tmp/b', '/tmp/c'))).toEqual({ result: 0 });
    expect(open('/tmp/b')).toBe(-ENOENT);
    expect([...machine.call(main, 'pread', open('/tmp/c'), 1, 0).bytes!]).toEqual(['b'.charCodeAt(0)]);
    expect(machine.vfs.list('/tmp', main.process.owner)).toContainEqual({ name: 'c', isDirectory: false });
    expect(machine.vfs.list('/', main.process.owner)).toContainEqual({ name: 'dev', isDirectory: true });
  });

  it('names go with their owner', () => {
    expect(machine.vfs.hasFilesOf(main.process.owner)).toBe(true);
    inKernel(main, () => machine.vfs.removeOf(main.process.owner));
    expect(machine.vfs.hasFilesOf(main.process.owner)).toBe(false);
    expect(open('/tmp/c')).toBe(-ENOENT);
  });
});
