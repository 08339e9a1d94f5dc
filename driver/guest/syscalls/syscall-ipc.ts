import { type GuestSyscallTable, machineCall } from '../guest-syscall.js';

/** SysV shared memory. */
export const ipcSyscalls: GuestSyscallTable = {
  194: {
    name: 'shmget',
    args: 'xnG',
    note: 'whole',
    run: (guest) => machineCall(guest, 'shmget', guest.int(0), guest.u(1), guest.int(2)),
  },
  195: {
    name: 'shmctl',
    args: 'dKp',
    note: 'everybody may lock',
    run: (guest) => machineCall(guest, 'shmctl', guest.int(0), guest.int(1), guest.u(2)),
  },
  196: {
    name: 'shmat',
    args: 'dpA',
    note: 'whole',
    run: (guest) => machineCall(guest, 'shmat', guest.int(0), guest.u(1), guest.int(2)),
  },
  197: {
    name: 'shmdt',
    args: 'p',
    note: 'whole',
    run: (guest) => machineCall(guest, 'shmdt', guest.u(0)),
  },
};
