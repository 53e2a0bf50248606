/**
 * Loaded by --import into a server's processes and threads (test/support/clock.ts): the clock of all of them is as many
 * milliseconds ahead as the file says that $CLOCK_AHEAD names. Timers stay what they are. Where $CLOCK_OF is `supervisor`,
 * that of its workers is not: what they measure goes on as it is.
 */
import cluster from 'node:cluster';
import { readFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const now = performance.now.bind(performance);
const uptime = process.uptime.bind(process);
const ahead = () => Number(readFileSync(process.env.CLOCK_AHEAD, 'utf8'));

if (process.env.CLOCK_OF === 'all' || (isMainThread && cluster.isPrimary)) {
  performance.now = () => now() + ahead();
  // The supervisor's (src/builtins.ts).
  process.uptime = () => uptime() + ahead() / 1000;
}
