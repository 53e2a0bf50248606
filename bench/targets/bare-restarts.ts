/**
 * What node:cluster, or worker_threads, leave behind themselves when they start and end one process or thread after the other:
 * prints the RSS of the one that starts them, in bytes, after each of the given numbers of restarts.
 */
import cluster from 'node:cluster';
import { once } from 'node:events';
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { fileURLToPath } from 'node:url';

const [kind, ...counts] = process.argv.slice(2);

async function replaceProcess(): Promise<void> {
  const worker = cluster.fork();
  await once(worker, 'message');
  const ended = once(worker, 'exit');
  worker.send('end');
  await ended;
}

async function replaceThread(): Promise<void> {
  const worker = new Worker(fileURLToPath(import.meta.url));
  await once(worker, 'message');
  const ended = once(worker, 'exit');
  worker.postMessage('end');
  await ended;
}

if (!isMainThread || cluster.isWorker) {
  // What an app would load.
  await import('fastify');
  const port = isMainThread ? process : parentPort;
  port?.once('message', () => process.exit(0));
  if (isMainThread) process.send?.('up');
  else parentPort?.postMessage('up');
} else {
  let done = 0;
  for (const count of counts.map(Number)) {
    for (; done < count; done += 1) await (kind === 'threads' ? replaceThread() : replaceProcess());
    console.log(process.memoryUsage.rss());
  }
}
