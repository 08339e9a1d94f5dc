import { expect, it } from 'vitest';
import { LOCK_CLASS_NAMES, LockClass, lockTreeText } from '../../../driver/core/lock-class.js';
import { checkDocument } from '../../document-part.js';

it('ARCHITECTURE.md prints the tree that the validator checks', () => {
  checkDocument('ARCHITECTURE.md', { 'lock tree': `\n\`\`\`\n${lockTreeText()}\n\`\`\`\n` });
});

it('driver/mm/README.md names the locks in their order', () => {
  checkDocument('driver/mm/README.md', { 'lock order': `\n    ${LOCK_CLASS_NAMES.join(' > ')}\n` });
});

it('a chunk is made while folios are locked: devmem_lock stands inside the folio lock', () => {
  expect(LockClass.devmemLock).toBeGreaterThan(LockClass.folioLock);
});
