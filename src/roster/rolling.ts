/** Pure: how many workers two generations may have in a rolling reload, which replaces one worker after the other. */
export interface Limits {
  readonly next: number;
  readonly old: number;
}

/**
 * The next generation may start one more than are ready, the old one gives up as many as are: there are never fewer
 * ready than before, and never more than one over.
 *
 * @param ready of the next generation
 * @param wanted of the next generation
 * @param old how many the old generation had
 */
export function roll({ ready, wanted, old }: { ready: number; wanted: number; old: number }): Limits {
  const next = ready + 1 < wanted ? ready + 1 : Infinity;
  return { next, old: Math.max(0, old - ready) };
}
