/** How long requests took, counted in buckets, so that the counts of several event loops can be put together. Pure. */

/** Each bucket ends 5 % above the one before: that is how exact a quantile is. */
const STEP = 1.05;
/** The end of the first bucket, milliseconds. */
const LEAST_MS = 0.05;
/** The last one ends at 4.8 minutes, and has all that took longer. */
const BUCKETS = 320;

export class Histogram {
  readonly counts: Uint32Array = new Uint32Array(BUCKETS);

  add(ms: number): void {
    this.counts[bucketOf(ms)]! += 1;
  }

  /** Adds what another has counted. */
  merge(counts: readonly number[]): void {
    for (const [bucket, count] of counts.entries()) if (bucket < BUCKETS) this.counts[bucket]! += count;
  }

  get total(): number {
    return this.counts.reduce((sum, count) => sum + count, 0);
  }

  /** So long, at most, took this share of them, milliseconds. 0 where there are none. */
  quantile(share: number): number {
    const wanted = this.total * share;
    if (wanted === 0) return 0;
    let seen = 0;
    return endOf(this.counts.findIndex((count) => (seen += count) >= wanted));
  }

  /** How many took longer for certain: those of a bucket that has the limit in it do not count. */
  above(ms: number): number {
    return this.counts.reduce((sum, count, bucket) => (endOf(bucket - 1) >= ms ? sum + count : sum), 0);
  }
}

function bucketOf(ms: number): number {
  if (ms <= LEAST_MS) return 0;
  return Math.min(BUCKETS - 1, Math.ceil(Math.log(ms / LEAST_MS) / Math.log(STEP)));
}

function endOf(bucket: number): number {
  return LEAST_MS * STEP ** bucket;
}
