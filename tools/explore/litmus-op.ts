import { DEVICE_FILES } from '../../tests/conform/ops/places.js';
import { COMMAND_NAMES } from '../../uapi/dialect.js';
import * as mman from '../../uapi/mman.js';
import { hint } from '../nearest.js';

const KINDS = ['anon', 'shared', 'filep', 'files', 'dev', 'hugetlb'];
const ADVICE = Object.keys(mman).flatMap((name) => /^MADV_(\w+)$/.exec(name)?.[1] ?? []);
const RANGE = 'P R off n';

/** The words behind each op's name. */
const FORMS: Readonly<Record<string, string>> = {
  open: 'P D',
  close: 'P D',
  map: `${RANGE} KIND PROT`,
  mapover: `${RANGE} KIND PROT`,
  unmap: RANGE,
  protect: `${RANGE} PROT`,
  advise: `${RANGE} ADVICE`,
  remap: `${RANGE} R2 off2 1|0`,
  store: `${RANGE} V`,
  load: RANGE,
  fork: 'P Q',
  exit: 'P',
  dm: 'P D CMD R off n',
  pagemap: RANGE,
  gup: `${RANGE} PER CALL FLAGS`,
  pin: `${RANGE} FLAGS`,
  unpin: 'P',
  khugepaged: 'P',
  thpsize: 'P KIB always|inherit|madvise|never',
  uffd: `${RANGE} missing|minor|wp|wpasync`,
  wp: `${RANGE} 1|0`,
  ucontinue: RANGE,
  uzero: RANGE,
  upoison: RANGE,
  ucopy: `${RANGE} V`,
  umove: `${RANGE} R2 off2`,
  clearrefs: 'P',
  dirty: RANGE,
  scan: RANGE,
  vmread: RANGE,
  vmwrite: `${RANGE} V`,
  raw: 'P D NUM ADDR NPAGES K',
};

/** Sizes that a huge page of anonymous memory can have. */
const THP_KIB = [16, 32, 64, 128, 256, 512, 1024, 2048].map(String);

/** What a word may be that is no number; of names with '|' between one is meant. */
const CHOICES: Readonly<Record<string, readonly string[]>> = {
  ...{ KIND: KINDS, ADVICE, CMD: COMMAND_NAMES },
  KIB: THP_KIB,
};
/** How many there are of what a number names. */
const COUNTS: Readonly<Record<string, number>> = { D: DEVICE_FILES, CALL: 6, V: 2 ** 32 };

/** What is wrong with an op as it is written, or null. */
export function opError(op: string): string | null {
  const [name = '', ...words] = op.split(' ');
  if (!Object.hasOwn(FORMS, name)) return `no op '${name}'${hint(name, Object.keys(FORMS))}`;
  const wanted = formOf(name, words).split(' ');
  const form = `'${[name, ...wanted].join(' ')}' is wanted`;
  if (words.length !== wanted.length)
    return `'${op}' has ${words.length} words behind ${name}, not ${wanted.length}: ${form}`;
  const error = wanted.flatMap((kind, i) => wordError(words[i]!, kind) ?? [])[0];
  return error === undefined ? null : `'${op}': ${error}: ${form}`;
}

/** Where an op names how many pages, the first of which stands before; undefined for one of no range. */
export function pagesAt(name: string): number | undefined {
  const at = FORMS[name]?.split(' ').indexOf('n') ?? -1;
  return at < 0 ? undefined : at + 1;
}

/** Does it write words of its own, counted up from its last one? */
export function storesWords(op: string): boolean {
  const [name = '', ...words] = op.split(' ');
  return Object.hasOwn(FORMS, name) && formOf(name, words).endsWith(' V');
}

/** WRITE is told a word, and a mapping of a device which one. */
function formOf(name: string, words: readonly string[]): string {
  const form = FORMS[name]!;
  if (name === 'dm' && words[2] === 'WRITE') return `${form.replace('CMD', 'WRITE')} V`;
  return /^map/.test(name) && words[4] === 'dev' ? `${form.replace('KIND', 'dev')} D` : form;
}

function wordError(word: string, kind: string): string | null {
  const choices = CHOICES[kind] ?? (/[|]/.test(kind) || /^(WRITE|dev)$/.test(kind) ? kind.split('|') : null);
  if (choices !== null) return choices.includes(word) ? null : `no '${word}'${hint(word, choices)}`;
  if (kind === 'PROT') return /^(-|[rwx]+)$/.test(word) ? null : `'${word}' is no protection, as rw or -`;
  const count = COUNTS[kind];
  if (!/^(0x[\da-f]+|\d+)$/i.test(word))
    return `'${word}' is no number${count === undefined ? '' : ` from 0 to ${count - 1}`}`;
  return count === undefined || Number(word) < count ? null : `${kind} is ${word}, and there are 0 to ${count - 1}`;
}
