import { type AbiModel, hex } from './load/model.js';

/** A model as a header of the kernel's shape: for a dialect, which has none of its own. */
export function headerText(model: AbiModel): string {
  const lines = ['#include <linux/types.h>', '#include <linux/ioctl.h>', ''];
  for (const record of model.records) {
    lines.push(`${record.kind} ${record.name} {`, ...record.fields.map(fieldLine), '};', '');
  }
  for (const { name, nr, type, argument } of model.commands) {
    lines.push(`#define ${name}\t_IOWR('${String.fromCharCode(type)}', ${hex(nr, 2)}, ${argument})`);
  }
  for (const group of new Set(model.constants.map((constant) => constant.group))) {
    const items = model.constants.filter((constant) => constant.group === group);
    const value = (v: bigint) => (group.endsWith('_PROT_') ? hex(v, 2) : String(v));
    if (group.endsWith('_FLAG_')) lines.push('', ...items.map((item) => `#define ${item.name}\t${value(item.value)}`));
    else lines.push('', 'enum {', ...items.map((item) => `\t${item.name} = ${value(item.value)},`), '};');
  }
  return `${lines.join('\n')}\n`;
}

/** `int[2] a` as C writes it. */
function fieldLine({ type, name }: AbiModel['records'][number]['fields'][number]): string {
  const at = type.includes('[') ? type.indexOf('[') : type.length;
  return `\t${type.slice(0, at)} ${name}${type.slice(at)};`;
}
