/** The ways in which a machine can collect pages for a migration. What each of them does is in driver/hmm/paths.ts. */
export const PATH_NAMES = ['classic', 'unified'] as const;
export type PathName = (typeof PATH_NAMES)[number];
