/** The interrupted call begins again at its ecall unless a handler without SA_RESTART runs. Linux: ERESTARTSYS */
export const ERESTARTSYS = 512;
/** The interrupted call begins again, handler or not. Linux: ERESTARTNOINTR */
export const ERESTARTNOINTR = 513;
/** As ERESTARTSYS, but any handler makes it -EINTR. Linux: ERESTARTNOHAND */
export const ERESTARTNOHAND = 514;
/** As ERESTARTNOHAND, but a wait that begins again ends when it would have ended. Linux: ERESTART_RESTARTBLOCK */
export const ERESTART_RESTARTBLOCK = 516;

export function isRestart(ret: number): boolean {
  return [ERESTARTSYS, ERESTARTNOINTR, ERESTARTNOHAND, ERESTART_RESTARTBLOCK].includes(-ret);
}
