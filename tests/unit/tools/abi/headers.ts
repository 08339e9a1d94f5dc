import type { Generation } from '../../uapi/abi-history.js';

/** A header of the kernel's shape from the facts about one generation. */
export function headerOf(generation: Generation): string {
  const lines = [
    '#ifndef _LIB_TEST_HMM_H',
    '#define _LIB_TEST_HMM_H',
    '',
    '#include <linux/types.h>',
    '#include <linux/ioctl.h>',
    '',
  ];
  for (const [name, { fields }] of Object.entries(generation.structs)) {
    lines.push(`struct ${name} {`, ...fields.map((field) => `\t${field.type}\t\t${field.name};`), '};', '');
  }
  const structs = Object.entries(generation.structs);
  for (const [name, { nr, size }] of Object.entries(generation.commands)) {
    const struct = structs.find(
      ([tag, s]) => s.size === size && (structs.length === 1 || name.toLowerCase().endsWith(tag.slice(4))),
    );
    const tag = (struct ?? structs.find(([, s]) => s.size === size))![0];
    lines.push(`#define ${name}\t_IOWR('H', 0x${nr.toString(16).padStart(2, '0')}, struct ${tag})`);
  }
  for (const [name, value] of Object.entries(generation.flags)) lines.push('', `#define ${name}\t(${value}ULL << 0)`);
  for (const values of Object.values(generation.enums)) {
    if (Object.keys(values).length === 0) continue;
    const items = Object.entries(values).map(
      ([name, value]) => `\t${name}\t= 0x${value.toString(16).padStart(2, '0')},`,
    );
    lines.push('', '/*', ' * What the kernel answers.', ' */', 'enum {', ...items, '};');
  }
  return `${lines.join('\n')}\n\n#endif /* _LIB_TEST_HMM_H */\n`;
}
