import t from 'tap';
import type { WorkerStatus } from '../../../src/control/operations.ts';
import { showAge, showStacks, showStatus } from '../../../src/control/show.ts';
import { status } from './support.ts';

const loop = {
  thread: 1,
  requests: 40,
  inflight: 1,
  connections: 1,
  waiting: 0,
  refused: 0,
  utilisation: 0,
  delayP50: 0,
  delayP99: 0,
  heap: 0,
  app: null,
  unhealthy: null,
};

const worker: WorkerStatus = {
  name: '1',
  number: 1,
  pid: 4711,
  generation: 3,
  role: 'http',
  state: 'ready',
  ageMs: 61_000,
  threads: 2,
  usage: { type: 'usage', rss: 90 * 1024 * 1024, loops: [loop, { ...loop, thread: 2, requests: 2 }] },
};

t.test('status, aligned', async (t) => {
  const shown = showStatus({
    ...status,
    workers: [
      worker,
      { ...worker, name: 'cron-2', number: 2, role: 'cron', state: 'draining', threads: 0, usage: undefined },
    ],
    poison: ['GET /slow'],
    lastChange: { command: 'mode', at: '2030-01-01T00:00:00.000Z', outcome: 'refused', text: 'the app did not boot' },
  });
  t.equal(
    shown,
    `server   pid ${process.pid}, tricorn 1.2.3, node v26.10.0
state    serving, for 2 h 3 min in all
mode     threaded, generation 3
ready    2 of 2
app      /srv/app.ts
listens  http://127.0.0.1:8069
deaths   0
refused  GET /slow
last     mode at 2030-01-01T00:00:00.000Z: refused, the app did not boot

worker  pid   role  state     generation  age        threads  rss     requests  in flight
1       4711  http  ready     3           1 min 1 s  2        90 MiB  42        2
cron-2  4711  cron  draining  3           1 min 1 s  -        ?       ?         ?
`,
  );
  t.match(showStatus({ ...status, isCrashLooping: true }), /^state {4}crash loop, for/m);
  t.match(showStatus({ ...status, isCrashLooping: true, state: 'stopping' }), /^state {4}stopping, for/m);
  t.match(showStatus({ ...status, ready: 0 }), /^state {4}no worker, for/m);
  t.match(showStatus({ ...status, ready: 0, wanted: 0 }), /^state {4}serving, for/m, 'where there is to be none');
  const away = { ...loop, unhealthy: 'health() answered false' };
  const unhealthy = { ...worker, usage: { type: 'usage', rss: 1, loops: [loop, { ...away, thread: 2 }] } } as const;
  const inMain = { ...worker, name: '2', usage: { ...unhealthy.usage, loops: [{ ...away, thread: 0 }] } } as const;
  t.match(
    showStatus({ ...status, isHealthy: false, workers: [unhealthy, inMain] }),
    /^state {4}unhealthy, for[^]*^health {3}worker 1 thread 2: health\(\) answered false\nhealth {3}worker 2: health/m,
  );
  t.match(showStatus({ ...status, listeners: [] }), /^listens {2}nowhere$/m);
});

t.test('stacks, a block for each event loop', async (t) => {
  const shown = showStacks([
    {
      name: '1',
      number: 1,
      pid: 7,
      loops: [
        { thread: 1, frames: ['at block (/app.ts:3:4)'], request: 'GET /slow', requests: ['GET /slow (1.2 s)'] },
        { thread: 2, frames: [] },
      ],
    },
    { name: 'evented-1', number: 1, pid: 8, loops: [{ thread: 0, frames: [], unknown: 'it did not answer' }] },
    { name: 'cron-1', number: 1, pid: 9, loops: [] },
  ]);
  t.equal(
    shown,
    `worker 1 (pid 7) thread 1: GET /slow
  at block (/app.ts:3:4)
  in flight: GET /slow (1.2 s)

worker 1 (pid 7) thread 2: idle

worker evented-1 (pid 8): it did not answer

worker cron-1 (pid 9): does not tell
`,
  );
  t.equal(showStacks([]), 'there is no worker\n');
});

t.test('ages', async (t) => {
  const shown = [0, 999, 1000, 61_000, 3_600_000, 90_061_000, 86_405_000].map(showAge);
  t.same(shown, ['0 s', '0 s', '1 s', '1 min 1 s', '1 h', '1 d 1 h', '1 d']);
});
