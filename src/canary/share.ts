/** The setting `canary`: which share of the workers, and for how long. Pure. */
import { parseDuration } from '../config/values.ts';

export interface CanaryPlan {
  /** Of all workers that serve while it runs, 0 to 0.5. */
  readonly share: number;
  readonly seconds: number;
}

/** With more than half it would be the old generation that is on trial. */
const MOST_PERCENT = 50;
const LONGEST_SECONDS = 86_400;

/** @returns undefined where the text is not of the form `10%,30s` */
export function parseCanary(text: string): CanaryPlan | undefined {
  const [, percent = '', time = ''] = /^\s*(\d{1,2})\s*%\s*,(.*)$/.exec(text) ?? [];
  const share = Number(percent) / 100;
  const seconds = parseDuration(time.trim()) ?? 0;
  const isPlan = share > 0 && share <= MOST_PERCENT / 100 && seconds > 0 && seconds <= LONGEST_SECONDS;
  return isPlan ? { share, seconds } : undefined;
}

/**
 * How many workers of the new generation serve beside all of the old one, so that they are about this share of all.
 *
 * @param old how many the old generation has
 * @param wanted how many the new one will have
 */
export function canarySize(share: number, { old, wanted }: { readonly old: number; readonly wanted: number }): number {
  return Math.min(wanted, Math.max(1, Math.round((old * share) / (1 - share))));
}
