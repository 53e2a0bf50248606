/**
 * pg-boss with the same jobs, a process for each part: `send` asks for them by HTTP, as a handler of an app would; the others
 * run them.
 *
 *     node pg-boss.ts URL send | notified | polling | single-N | batches
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { PgBoss, type WorkOptions } from 'pg-boss';
import { answer, begun } from './runs.ts';

const [url = '', part = ''] = process.argv.slice(2);
const say = (msg: string): void => console.log(JSON.stringify({ level: 30, msg }));

/** Where there was nothing, the loops ask again after so many milliseconds. */
const AGAIN_MS = 5;

const isSender = part === 'send';
/** Whoever only sends needs not keep the house. */
const housekeeping = { supervise: !isSender, schedule: !isSender };
const boss = new PgBoss({ connectionString: url, useListenNotify: part !== 'polling' && !isSender, ...housekeeping });
boss.on('error', (error) => console.error(error));
await boss.start();
const queues = ['ping', 'work-0', 'work-1', 'work-2', 'work-3'];
for (const queue of queues) await boss.createQueue(queue, { notify: true });

/** Acquires and ends one at a time, as a cron worker does. */
async function loop(queue: string): Promise<void> {
  for (;;) {
    const [job] = await boss.fetch(queue);
    if (job) {
      begun();
      await boss.complete(queue, job.id);
    } else await sleep(AGAIN_MS);
  }
}

process.on('SIGTERM', () => process.exit(0));

const parts: Readonly<Record<string, () => Promise<unknown>>> = {
  send: async () => {
    const server = createServer((request, response) => void answer(request, response, (job) => boss.send(job)));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    say(`Ready on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  },
  notified: () => boss.work('ping', { localConcurrency: 2 }, async () => begun()),
  polling: () => boss.work('ping', { localConcurrency: 2, pollingIntervalSeconds: 0.5 }, async () => begun()),
  'single-1': () => loop('work-0'),
  'single-4': () => Promise.all(queues.slice(1).map(loop)),
  batches: async () => {
    const options: WorkOptions = { batchSize: 100, burstWhenBatchFull: true };
    for (const queue of queues.slice(1)) {
      await boss.work(queue, options, async (jobs) => jobs.forEach(begun));
    }
  },
};
if (!isSender) say('Ready');
await parts[part]?.();
