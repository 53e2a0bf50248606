/**
 * Loaded into a server's supervisor by --import (with --expose-gc): at each WINCH it writes, as a line of its log, what it holds.
 * Workers load it, too, and are never asked.
 */
import cluster from 'node:cluster';
import { writeSync } from 'node:fs';

process.on('SIGWINCH', () => {
  globalThis.gc();
  const { heapUsed, rss } = process.memoryUsage();
  const listeners = { process: countOf(process), cluster: countOf(cluster) };
  const resources = {};
  // What the file system has just been asked for, and what runs in this turn of the loop, ends by itself: it is there by chance.
  const lasting = process.getActiveResourcesInfo().filter((kind) => !/^(FSReq|Immediate$)/.test(kind));
  for (const kind of lasting) resources[kind] = (resources[kind] ?? 0) + 1;
  writeSync(
    1,
    `${JSON.stringify({ level: 30, msg: 'Probe', pid: process.pid, heapUsed, rss, listeners, resources })}\n`,
  );
});

function countOf(emitter) {
  return Object.fromEntries(emitter.eventNames().map((event) => [String(event), emitter.listenerCount(event)]));
}
