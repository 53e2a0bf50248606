/** Keeps count of the requests in which event loops were killed, and has all workers refuse what did it again and again. */
import { POISON_MS, PoisonList } from '../limits/poison.ts';
import type { Logger } from '../log/supervisor-log.ts';
import type { Workers } from './workers.ts';

export interface PoisonOptions {
  /** poison_threshold, as it is now; 0 = off */
  readonly threshold: () => number;
  readonly log: Logger;
  /** Milliseconds that only ever grow. */
  readonly clock: () => number;
}

/** @returns what is refused, for statistics */
export function watchPoison(workers: Workers, { threshold, log, clock }: PoisonOptions): Pick<PoisonList, 'active'> {
  const list = new PoisonList(threshold(), clock);
  workers.on('blame', (_handle, request) => {
    list.threshold = threshold();
    const route = list.killed(request);
    if (route === undefined) return;
    const seconds = POISON_MS / 1000;
    log.error(
      { route, poison_threshold: list.threshold },
      `${route} has led to ${list.threshold} kills of event loops within a minute: it is answered 503 for ${seconds} s`,
    );
    workers.tell({ type: 'poison', route, ms: POISON_MS });
  });
  // Those that start later must not have to learn it anew.
  workers.on('ready', (handle) => {
    for (const { route, leftMs } of list.active()) handle.send({ type: 'poison', route, ms: leftMs });
  });
  return list;
}
