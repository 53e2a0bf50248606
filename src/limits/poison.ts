/**
 * Pure: which requests have killed event loops again and again. One request that blocks its loop costs a worker; its client,
 * or a queue, that repeats it costs all of them, one after the other. So what has led to `threshold` kills within a minute
 * is answered 503 for a minute.
 */
const WINDOW_MS = 60_000;
export const POISON_MS = 60_000;

export class PoisonList {
  /** Kills within a minute; 0 = off. */
  threshold: number;
  readonly #clock: () => number;
  /** By route: when each kill happened. */
  readonly #kills = new Map<string, number[]>();
  /** By route: until when it is refused. */
  readonly #refused = new Map<string, number>();

  /**
   * @param threshold 0 = off
   * @param clock milliseconds that only ever grow
   */
  constructor(threshold: number, clock: () => number) {
    this.threshold = threshold;
    this.#clock = clock;
  }

  /** An event loop was killed while it ran this request. Returns the route where it is poison from now on. */
  killed(request: string): string | undefined {
    if (this.threshold === 0) return undefined;
    const now = this.#clock();
    const route = routeOf(request);
    const recent = [...(this.#kills.get(route) ?? []), now].filter((at) => now - at < WINDOW_MS);
    this.#forget(now);
    this.#kills.set(route, recent);
    if (recent.length < this.threshold) return undefined;
    this.#kills.delete(route);
    this.#refused.set(route, now + POISON_MS);
    return route;
  }

  /** What is refused now, and for how many milliseconds more. */
  active(): { readonly route: string; readonly leftMs: number }[] {
    const now = this.#clock();
    return [...this.#refused]
      .map(([route, until]) => ({ route, leftMs: until - now }))
      .filter(({ leftMs }) => leftMs > 0);
  }

  /** So that many routes that each killed once do not stay in memory. */
  #forget(now: number): void {
    for (const [route, kills] of this.#kills) if (kills.every((at) => now - at >= WINDOW_MS)) this.#kills.delete(route);
    for (const [route, until] of this.#refused) if (until <= now) this.#refused.delete(route);
  }
}

const ID = /^(?:\d+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,})$/i;

/**
 * `POST /orders/17/items?x=1` and `POST /orders/18/items` are one route, `POST /orders/:id/items`: Tricorn does not know the
 * routes of every framework, so segments that are numbers, UUIDs or long hexadecimal numbers are taken for parameters.
 */
export function routeOf(request: string): string {
  const space = request.indexOf(' ');
  const [path = ''] = request.slice(space + 1).split('?', 1);
  const segments = path.split('/').map((segment) => (ID.test(segment) ? ':id' : segment));
  return `${request.slice(0, space)} ${segments.join('/')}`;
}
