import { EINTR, ENOSYS } from '../../../uapi/errno.js';
import { assert } from '../../core/assert.js';
import type { Coroutine } from '../../core/effect.js';
import type { GuestThread } from '../guest-thread.js';
import { untilRead } from '../host-stream.js';
import { answerText, callText, resultText } from '../strace.js';
import { syscallText } from '../syscall-names.js';
import { guestSyscalls } from './syscall-table.js';

const A7 = 17;

/** The system call that the thread asks for in a7: what a0 becomes. */
export function* dispatchSyscall(guest: GuestThread): Coroutine<number> {
  const { host, thread } = guest;
  if (host.strace !== null) yield* untilRead(host, thread);
  const number = guest.cpu.unsigned(A7);
  const call = guestSyscalls[number];
  if (call === undefined) {
    host.unsupported(`system call ${syscallText(number)}`);
    host.strace?.(`${thread.tid} ${syscallText(number)}() = ${resultText(-ENOSYS)}`);
    return -ENOSYS;
  }
  thread.task.doing = call.name;
  thread.process.machine.kernel.emit('syscall', { name: call.name, tid: thread.tid });
  const { strace } = host;
  const text = strace === null ? '' : callText(guest, call);
  guest.syscall = { name: call.name, text };
  const { inject } = thread.process.machine.kernel;
  if (inject.armed) {
    const args = [...call.args].map((_, i) => guest.u(i));
    inject.beginCall(thread.task, { pid: thread.process.pid, tid: thread.tid, name: call.name, args });
  }
  const { kernel } = thread.process.machine;
  const { verbose } = kernel.trace;
  if (verbose) kernel.emit('span', { span: 'syscall', name: call.name, phase: 'begin', ret: 0 });
  const answer = yield* call.run(guest);
  const ret = answer === -EINTR && call.restart !== undefined ? -call.restart : answer;
  if (verbose) kernel.emit('span', { span: 'syscall', name: call.name, phase: 'end', ret });
  if (inject.armed) inject.endCall(thread.task);
  guest.syscall = null;
  assert(Number.isInteger(ret), '% answers %', call.name, ret);
  if (strace !== null) strace(`${thread.tid} ${text} = ${resultText(ret)}${ret === 0 ? answerText(guest, call) : ''}`);
  return ret;
}
