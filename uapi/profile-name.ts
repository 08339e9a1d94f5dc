/** The kernels whose semantics a machine can have, the oldest first. What they are is in driver/mm/profile.ts. */
export const PROFILE_NAMES = ['6.12', '6.19', '7.3'] as const;
export type ProfileName = (typeof PROFILE_NAMES)[number];
