/** The interrupted call begins again at its ecall unless a handler without SA_RESTART runs. Linux: ERESTARTSYS */
export const ERESTARTSYS = 512;
/** As ERESTARTSYS, but any handler makes it -EINTR. Linux: ERESTARTNOHAND */
export const ERESTARTNOHAND = 514;
