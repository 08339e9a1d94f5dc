import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import { IPC_RMID, IPC_SET, IPC_STAT, SHMID_DS_BYTES } from '../../../uapi/shm.js';
import type { Coroutine } from '../../core/effect.js';
import type { Thread } from '../processes/thread.js';
import { readUserView, writeUser } from '../processes/user-memory.js';
import type { SyscallTable } from './syscall.js';

/** SysV shared memory. */
export const ipcCalls: SyscallTable = {
  shmget: {
    args: 'nnn',
    run: ({ process }, [key, sizeBytes, flags]) =>
      process.machine.sysvShm.ksysShmget(process, {
        key: (key as number) | 0,
        sizeBytes: sizeBytes as number,
        flags: flags as number,
      }),
    note: 'the id of the segment',
  },
  shmat: {
    args: 'nnn',
    run: ({ process }, [id, addr, flags]) =>
      process.machine.sysvShm.doShmat(process, id as number, { addr: addr as number, flags: flags as number }),
    note: 'the address',
  },
  shmdt: {
    args: 'n',
    run: ({ process }, [addr]) => process.machine.sysvShm.ksysShmdt(process, addr as number),
    note: '0',
  },
  shmctl: {
    args: 'nn?n',
    run: (thread, [id, cmd, addr = 0]) => shmctl(thread, id as number, { cmd: cmd as number, addr: addr as number }),
    note: '0; IPC_RMID, IPC_SET and IPC_STAT, whose record is at the address',
  },
};

/** Where the mode is in struct shmid64_ds. */
const MODE_OFFSET = 20;

/** Linux: part of ipc/shm.c:ksys_shmctl() */
function* shmctl({ process }: Thread, id: number, { cmd, addr }: { cmd: number; addr: number }): Coroutine<number> {
  const { sysvShm } = process.machine;
  if (cmd === IPC_RMID) return yield* sysvShm.doShmRmid(id);
  if (cmd === IPC_STAT) {
    const record = sysvShm.shmctlStat(id);
    if (typeof record === 'number') return record;
    return (yield* writeUser(process.mm, addr, record)) === 0 ? 0 : -EFAULT;
  }
  if (cmd !== IPC_SET) return -EINVAL;
  const record = yield* readUserView(process.mm, addr, SHMID_DS_BYTES);
  return typeof record === 'number' ? record : sysvShm.setMode(id, record.getUint32(MODE_OFFSET, true));
}
