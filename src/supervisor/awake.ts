/**
 * Whether a worker process hears what it is told. Modules of --import are loaded before its entry, and may await: what comes
 * meanwhile node:cluster takes and drops, for it listens itself. So the entry says when it runs.
 */
import type { Worker } from 'node:cluster';
import { unwrap } from '../protocol.ts';

const awake = new WeakSet<Worker>();

/** Calls back when it hears: at once, or when it says so. */
export function onceAwake(worker: Worker, tell: () => void): void {
  if (awake.has(worker)) return tell();
  worker.on('message', function hear(sent: unknown) {
    if (unwrap(sent)?.type !== 'awake') return;
    worker.off('message', hear);
    awake.add(worker);
    tell();
  });
}
