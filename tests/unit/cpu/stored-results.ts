/** Digests of what qemu-riscv64 gave for the seeds from 1 on, for machines without it. */
export const STORED: Readonly<Record<string, readonly string[]>> = {
  INTEGER: ['ade1b408caa5965b', '26c6689ecba22d87', '42cad913372b5a01'],
  MEMORY: ['8927a7913549dbd4', '4f2a1c960eacec02', '096e8488817cb526'],
  CONTROL: ['7b02ad56ab337709', '1573a3d34cb75871', '6bd848e6ee4b2ee4'],
  MULTIPLY: ['6fde273d94a2a7b0', 'c57031a40d9dc873', '8e33a49d34a3ac2d'],
  ATOMIC: ['d949efd67165e252', '98c70e3248c7a400', 'c58d04fa3950087a'],
  CSR: ['b3852fa1d8b8a71d', '03d7e13393a63ca6', 'dd736ca0c04e0f59'],
  FLOAT: ['7178815f76f4389d', '17684daa1af8a9a6', '30382d8d08c23cae'],
};
