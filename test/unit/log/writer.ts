/** A child of the tests: `writer.ts MODE FORMAT LOGFILE|-`. */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { openLog } from '../../../src/log/open-log.ts';
import type { Log } from '../../../src/log/open-log.ts';

const [mode, format, logfile] = (isMainThread ? process.argv.slice(2) : workerData) as [
  string,
  'json' | 'text',
  string,
];
const LINES = 100;
const THREADS = 10;
/** Threads of libuv's pool, by default. */
const POOL = 4;

function open(worker: number, thread: number): Log {
  return openLog(
    { logfile: logfile === '-' ? '' : logfile, log_level: 'info', log_format: format },
    // As Tricorn does: whoever has a number is a thread.
    isMainThread ? { role: 'http', worker } : { role: 'http', worker, thread },
  );
}

/** Lines of every length up to 8 KiB, in bursts. */
async function writeMany(thread: number): Promise<void> {
  const { log } = open(1, thread);
  for (let n = 0; n < LINES; n++) {
    log.info({ n, fill: 'ü'.repeat((n * 997) % 4096) }, 'line');
    if (n % 7 === 0) await turn();
  }
}

async function crowd(): Promise<void> {
  const children = [1, 2].map(() => fork(import.meta.filename, ['threads', format, logfile], { stdio: 'inherit' }));
  await Promise.all([...children.map((child) => once(child, 'exit')), threads()]);
}

async function threads(): Promise<void> {
  const others = [1, 2].map(() => new Worker(import.meta.filename, { workerData: ['thread', format, logfile] }));
  await Promise.all([...others.map((thread) => once(thread, 'exit')), writeMany(0)]);
}

/** Nobody reads: does the loop go on turning, is the thread pool free, does memory stay bounded? */
async function stuck(): Promise<void> {
  const { log } = open(1, 0);
  const before = process.memoryUsage.rss();
  let turns = 0;
  for (let n = 0; n < 4000; n++) {
    log.info({ n, fill: 'x'.repeat(1000) }, 'line');
    if (n % 10 > 0) continue;
    await turn();
    turns += 1;
  }
  await Promise.all(Array.from({ length: 16 }, () => fs.promises.readFile(import.meta.filename)));
  process.send?.({ turns, grown: process.memoryUsage.rss() - before });
  process.once('message', () => {
    log.info('last');
    process.disconnect?.();
  });
}

/** The reader goes away while we write. */
async function closed(): Promise<void> {
  const { log, flushSync } = open(1, 0);
  log.info('first');
  flushSync();
  process.send?.({ wrote: true });
  await once(process, 'message');
  for (let n = 0; n < 1000; n++) {
    log.error({ n }, 'line');
    if (n % 10 === 0) await turn();
  }
  process.stdout.write('of the app');
  console.log('of the app');
  flushSync();
  process.send?.({ serving: true });
  process.disconnect?.();
}

/** Says one line and ends in the way that is asked for: the line is written all the same. */
function ending(how: string): void {
  const { log } = open(1, 0);
  // At once, asynchronously.
  log.error('in flight');
  log.info(how);
  if (how === 'exit') process.exit(0);
  if (how === 'throw') throw new Error('as asked');
}

/** Threads one after the other, each of which ends with a write in flight. */
async function endThreads(): Promise<void> {
  for (let n = 0; n < THREADS; n++) {
    await once(new Worker(import.meta.filename, { workerData: ['close', format, logfile] }), 'exit');
    await once(new Worker(import.meta.filename, { workerData: ['exit', format, logfile] }), 'exit');
  }
}

/** All of libuv's pool waits for the one who writes, and he comes only when the thread has ended. */
async function busyPool(): Promise<void> {
  const fifo = `${logfile}.fifo`;
  execFileSync('mkfifo', [fifo]);
  const thread = new Worker(import.meta.filename, { workerData: ['close-busy', format, logfile] });
  await once(thread, 'message');
  // It has ended but for those that wait. To read and to write at once: so this open waits for nobody.
  const fd = fs.openSync(fifo, 'r+');
  await once(thread, 'exit');
  fs.closeSync(fd);
}

/** As `leave()` of the workers does it. */
function close(isBusy: boolean): void {
  if (isBusy) for (let n = 0; n < POOL; n++) fs.open(`${logfile}.fifo`, () => undefined);
  const { log, close } = open(1, 1);
  log.error('close');
  close();
  parentPort?.postMessage('closed');
  process.exit(0);
}

if (mode === 'crowd') await crowd();
else if (mode === 'end-threads') await endThreads();
else if (mode === 'busy-pool') await busyPool();
else if (mode === 'close' || mode === 'close-busy') close(mode === 'close-busy');
else if (mode === 'threads') await threads();
else if (mode === 'thread') await writeMany(1);
else if (mode === 'stuck') await stuck();
else if (mode === 'closed') await closed();
else ending(mode);
