import { EINVAL } from '../../../../uapi/errno.js';
import { kstrtoull } from '../kstrtox.js';
import type { TextNode } from './proc-file.js';

/** A file that shows all values with the present one in brackets. */
export function choice<T extends string>(
  values: readonly T[],
  { get, set }: { get(): T; set(value: T): void },
): TextNode {
  return {
    read: () => `${values.map((value) => (value === get() ? `[${value}]` : value)).join(' ')}\n`,
    // Linux: part of lib/string_helpers.c:sysfs_streq()
    store(text) {
      const value = values.find((candidate) => candidate === text.replace(/\n$/, ''));
      if (value === undefined) return -EINVAL;
      set(value);
      return 0;
    },
  };
}

export function keptChoice(values: readonly string[], initial: string): TextNode {
  let current = initial;
  const node = choice(values, {
    get: () => current,
    set: (value) => {
      current = value;
    },
  });
  node.reset = () => {
    current = initial;
  };
  return node;
}

export function numberNode(
  { min, max }: { min: number; max: number },
  get: () => number,
  set: (value: number) => void,
): TextNode {
  return {
    read: () => `${get()}\n`,
    store(text) {
      const value = kstrtoull(text);
      if (value < min || value > max) return -EINVAL;
      set(value);
      return 0;
    },
  };
}

/** Linux: part of mm/huge_memory.c:single_hugepage_flag_store() */
export function flag(get: () => number, set: (value: number) => void): TextNode {
  return {
    read: () => `${get()}\n`,
    store(text) {
      const value = kstrtoull(text);
      if (value < 0) return value;
      if (value > 1) return -EINVAL;
      set(value);
      return 0;
    },
  };
}
