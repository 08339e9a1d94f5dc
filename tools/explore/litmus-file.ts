/** One litmus test, and what a real kernel is known to answer. */
export interface Litmus {
  readonly name: string;
  readonly setup: readonly string[];
  /** The ops of each thread. */
  readonly threads: readonly (readonly string[])[];
  readonly observe: readonly string[];
  /** Outcomes of a real kernel and how often each was seen. */
  readonly outcomes: ReadonlyMap<string, number>;
  /** Outcomes of its ops one after the other. */
  readonly serial: ReadonlySet<string>;
  /** Outcomes whose last READ copies a freed frame. */
  readonly staleRead: ReadonlySet<string>;
  readonly setupAnswers: readonly string[];
}
