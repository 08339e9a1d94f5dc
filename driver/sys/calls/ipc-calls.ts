import { EFAULT, EINVAL } from '../../../uapi/errno.js';
import {
  IPC_INFO,
  IPC_RMID,
  IPC_SET,
  IPC_STAT,
  SHM_INFO,
  SHM_LOCK,
  SHM_STAT,
  SHM_STAT_ANY,
  SHM_UNLOCK,
  SHMID_DS_BYTES,
} from '../../../uapi/shm.js';
import type { Coroutine } from '../../core/effect.js';
import type { Process } from '../processes/process.js';
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
    run: (thread, [id, cmd, addr = 0]) =>
      ksysShmctl(thread, { id: (id as number) | 0, cmd: cmd as number, addr: addr as number }),
    note: '0, an id or the highest index; the record of the command is at the address',
  },
};

/** Where the owner, its group and the mode are in struct shmid64_ds. */
const UID_OFFSET = 4;
const GID_OFFSET = 8;
const MODE_OFFSET = 20;

interface ShmctlRequest {
  readonly id: number;
  readonly cmd: number;
  readonly addr: number;
}

/** Linux: ipc/shm.c:ksys_shmctl() */
function* ksysShmctl({ process }: Thread, { id, cmd, addr }: ShmctlRequest): Coroutine<number> {
  const { sysvShm } = process.machine;
  if (id < 0) return -EINVAL;
  switch (cmd) {
    case IPC_INFO:
      return yield* toUser(process, addr, sysvShm.limits.shminfo64(), sysvShm.ipcGetMaxidx());
    case SHM_INFO:
      return yield* toUser(process, addr, sysvShm.shmctlShmInfo(), sysvShm.ipcGetMaxidx());
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY: {
      const segment = sysvShm.shmctlStat(id, { byIndex: cmd !== IPC_STAT });
      if (typeof segment === 'number') return segment;
      return yield* toUser(process, addr, segment.shmid64Ds(), cmd === IPC_STAT ? 0 : segment.id);
    }
    case IPC_SET: {
      const record = yield* readUserView(process.mm, addr, SHMID_DS_BYTES);
      if (typeof record === 'number') return record;
      const [uid, gid, mode] = [UID_OFFSET, GID_OFFSET, MODE_OFFSET].map((offset) => record.getUint32(offset, true));
      return sysvShm.ipcUpdatePerm(id, { uid: uid!, gid: gid!, mode: mode! });
    }
    case IPC_RMID:
      return yield* sysvShm.rmid(id);
    case SHM_LOCK:
    case SHM_UNLOCK:
      return sysvShm.shmctlDoLock(id, cmd === SHM_LOCK);
    default:
      return -EINVAL;
  }
}

/** `ret` once the record is written, or -EFAULT. */
function* toUser({ mm }: Process, addr: number, record: Uint8Array, ret: number): Coroutine<number> {
  return (yield* writeUser(mm, addr, record)) === 0 ? ret : -EFAULT;
}
