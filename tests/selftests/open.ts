import { hmm } from './fixture.js';

export const openCases = [
  // The fixture opens and closes; nothing more is asked.
  hmm('open_close', async () => {}),
].flat();
