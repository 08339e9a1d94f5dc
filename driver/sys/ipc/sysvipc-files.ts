import { addTextNode } from '../files/proc/proc-nodes.js';
import type { Machine } from '../machine/machine.js';
import { SEQUENCE_SHIFT } from './shmid-kernel.js';

/** Linux: part of ipc/shm.c:shm_init() */
const HEADER =
  '       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  cgid      atime      dtime' +
  '      ctime                   rss                  swap\n';

/** Puts the list of segments and their limits into the tree of paths. Linux: part of ipc/ipc_sysctl.c:setup_ipc_sysctls() */
export function addSysvipcFiles(machine: Machine): void {
  const { sysvShm } = machine;
  const { limits } = sysvShm;
  addTextNode(machine, '/proc/sysvipc/shm', {
    read: () => HEADER + sysvShm.inOrder.map((segment) => segment.sysvipcShmProcShow()).join(''),
  });
  for (const name of ['ctlmax', 'ctlall'] as const) {
    addTextNode(machine, `/proc/sys/kernel/${name.replace('ctl', 'shm')}`, {
      read: () => `${limits[name]}\n`,
      sysctl: {
        set(_value, digits) {
          limits[name] = digits ?? limits[name];
          return 0;
        },
      },
    });
  }
  addTextNode(machine, '/proc/sys/kernel/shmmni', {
    read: () => `${limits.ctlmni}\n`,
    sysctl: {
      max: 2 ** SEQUENCE_SHIFT,
      set(value) {
        limits.ctlmni = value ?? limits.ctlmni;
        return 0;
      },
    },
  });
}
