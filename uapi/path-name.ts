/** The ways in which a machine can collect pages for a migration. What each of them does is in driver/hmm/paths.ts. */
export const PATH_NAMES = ['classic', 'unified', 'posted-v1', 'posted-late'] as const;
export type NamedPath = (typeof PATH_NAMES)[number];
/** One of them, maybe with properties that differ: `posted-late+undoesOnError+splitsMappedByPages=never`. */
export type PathName = NamedPath | `${NamedPath}+${string}`;
/** Of what says nothing about it. */
export const DEFAULT_PATH: PathName = 'classic';
/** The two that must not differ in anything that a program sees, and that everything runs on where no path is named. */
export const EQUAL_PATHS: readonly PathName[] = ['classic', 'unified'];
