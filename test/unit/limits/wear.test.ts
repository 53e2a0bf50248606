import t from 'tap';
import { settings } from '../../../src/config/settings.ts';
import type { Config } from '../../../src/config/config.ts';
import {
  hardLimitInForce,
  heapLimit,
  heapOutdated,
  judgeMemory,
  memoryLimits,
  wearLimits,
  wornBy,
} from '../../../src/limits/wear.ts';

const MIB = 1024 * 1024;
const OFF = {
  limit_request: 0,
  limit_request_jitter: 10,
  limit_time_worker: 0,
  limit_time_worker_cron: 0,
  limit_memory_soft: 0,
  limit_memory_hard: 0,
  limit_memory_soft_evented: 0,
  limit_memory_hard_evented: 0,
};

function config(some: Partial<typeof OFF>): Config {
  return { ...OFF, ...some } as unknown as Config;
}

const fresh = { requests: 0, ageMs: 0, bytes: 0 };
const old = { requests: 1e9, ageMs: 1e12, bytes: 1e12 };

t.test('0 is no limit', async (t) => {
  t.equal(wornBy(wearLimits(config({}), 'http', 2), old), undefined);
  t.equal(judgeMemory(memoryLimits(config({}), 'http'), 1e15).verdict, 'well');
});

t.test('requests and age, moved by the jitter', async (t) => {
  for (const [random, requests, ageMs] of [
    [0, 1000, 60_000],
    [0.5, 1050, 63_000],
    [1, 1100, 66_000],
  ] as const) {
    const limits = wearLimits(config({ limit_request: 1000, limit_time_worker: 60 }), 'http', 1, random);
    t.equal(wornBy(limits, { ...fresh, requests: requests - 1, ageMs: ageMs - 1 }), undefined);
    t.match(wornBy(limits, { ...fresh, requests }), /^limit_request: \d+ requests/);
    t.match(wornBy(limits, { ...fresh, ageMs }), /^limit_time_worker/);
  }
});

t.test('cron workers have an age of their own', async (t) => {
  const ages = config({ limit_time_worker: 60, limit_time_worker_cron: 120 });
  const limits = wearLimits(ages, 'cron', 1, 0);
  t.equal(wornBy(limits, { ...fresh, ageMs: 119_999 }), undefined);
  t.equal(wornBy(limits, { ...fresh, ageMs: 120_000 }), 'limit_time_worker_cron: 120 s old');
});

t.test('a thread may have its share of the soft limit; a loop alone is judged by the process', async (t) => {
  const soft = config({ limit_memory_soft: 1000 * MIB });
  t.equal(wornBy(wearLimits(soft, 'http', 4), { ...fresh, bytes: 249 * MIB }), undefined);
  t.match(wornBy(wearLimits(soft, 'http', 4), { ...fresh, bytes: 250 * MIB }), /^limit_memory_soft: 250 MiB/);
  t.equal(wornBy(wearLimits(soft, 'http', 1), old), undefined);
});

t.test('resident memory: recycled over the soft limit, killed over the hard one', async (t) => {
  const limits = memoryLimits(config({ limit_memory_soft: 100 * MIB, limit_memory_hard: 200 * MIB }), 'http');
  t.equal(judgeMemory(limits, 100 * MIB - 1).verdict, 'well');
  t.same(judgeMemory(limits, 150 * MIB), { verdict: 'recycle', reason: 'limit_memory_soft: 150 MiB' });
  t.same(judgeMemory(limits, 200 * MIB), { verdict: 'kill', reason: 'limit_memory_hard: 200 MiB' });
});

t.test(
  'a hard limit that is lowered below what a process has recycles it; it is killed where it was before',
  async (t) => {
    const limits = { soft: 400, hard: 100 };
    t.equal(hardLimitInForce(200, 100, 99), 100, 'at once where it has less');
    t.equal(hardLimitInForce(100, 200, 150), 200, 'a higher one at once');
    t.equal(hardLimitInForce(Infinity, 100, 150), Infinity);
    t.equal(hardLimitInForce(200, 100, 150), 200);
    t.equal(judgeMemory(limits, 99, 200).verdict, 'well');
    const lowered = { verdict: 'recycle', reason: 'limit_memory_hard: 150 MiB, more than it may have now' };
    t.same(judgeMemory({ soft: 400 * MIB, hard: 100 * MIB }, 150 * MIB, 200 * MIB), lowered);
    t.equal(judgeMemory(limits, 200, 200).verdict, 'kill');
  },
);

t.test("a thread's heap has its share of the hard limit; another limit takes another thread", async (t) => {
  const limited = (mib: number, threads: number): Config =>
    ({ limit_memory_hard: mib * MIB, threads }) as unknown as Config;
  t.strictSame([heapLimit(limited(1000, 4)), heapLimit(limited(1, 4)), heapLimit(limited(0, 4))], [250, 32, undefined]);
  t.equal(
    heapOutdated(limited(1000, 4), limited(500, 4)),
    'limit_memory_hard: the limit of its heap is to be 125 MiB, and is 250 MiB',
  );
  t.match(heapOutdated(limited(0, 4), limited(500, 4)), /is to be 125 MiB, and is none$/);
  t.match(heapOutdated(limited(500, 4), limited(0, 4)), /is to be none, and is 125 MiB$/);
  t.equal(heapOutdated(limited(1000, 4), limited(1000, 2)), undefined, 'scaled');
  t.equal(heapOutdated(limited(1000, 4), limited(500, 2)), undefined, 'the same share');
  t.equal(heapOutdated(limited(2, 4), limited(1, 4)), undefined, 'the least');
});

t.test('the evented worker has limits of its own', async (t) => {
  const limits = config({
    limit_memory_soft: 1,
    limit_memory_soft_evented: 2,
    limit_memory_hard: 3,
    limit_memory_hard_evented: 4,
  });
  t.same(memoryLimits(limits, 'http'), { soft: 1, hard: 3 });
  t.same(memoryLimits(limits, 'evented'), { soft: 2, hard: 4 });
});

t.test('the defaults are those of the docs', async (t) => {
  t.equal(settings.limit_memory_soft.default, 2048 * MIB);
  t.equal(settings.limit_memory_hard.default, 2560 * MIB);
  t.equal(settings.limit_request.default, 0);
  t.equal(settings.limit_request_jitter.default, 10);
});
