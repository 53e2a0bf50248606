import t from 'tap';
import { answerProbe, isTicking, type HealthFacts } from '../../../src/supervisor/health.ts';

const well: HealthFacts = {
  state: 'serving',
  succeeds: false,
  isCrashLooping: false,
  isHealthy: true,
  sinceTickMs: 900,
  workers: { ready: 2, wanted: 2 },
};
const nobody = { ready: 0, wanted: 2 };

function ask(url: string, facts: Partial<HealthFacts> = {}, method = 'GET') {
  return answerProbe({ method, url }, { ...well, ...facts });
}

t.test('/readyz: whether requests are answered, and why not', async (t) => {
  const cases: [facts: Partial<HealthFacts>, status: number, state: string][] = [
    [{}, 200, 'serving'],
    [{ workers: { ready: 1, wanted: 2 } }, 200, 'serving'],
    [{ state: 'new', workers: nobody }, 503, 'starting'],
    [{ state: 'booting' }, 503, 'starting'],
    [{ workers: nobody }, 503, 'no worker'],
    [{ workers: nobody, isCrashLooping: true }, 503, 'crash loop'],
    [{ isCrashLooping: true }, 200, 'serving'],
    [{ isHealthy: false }, 503, 'unhealthy'],
    [{ isHealthy: false, workers: nobody }, 503, 'no worker'],
    [{ isHealthy: false, state: 'stopping' }, 503, 'stopping'],
    [{ state: 'stopping' }, 503, 'stopping'],
    [{ state: 'stopped', workers: nobody }, 503, 'stopping'],
  ];
  for (const [facts, status, state] of cases) {
    const { workers } = { ...well, ...facts };
    t.match(ask('/readyz', facts), { status, body: { ready: status === 200, state, workers } }, JSON.stringify(facts));
  }
});

t.test('/readyz of one that takes a place: what serves already does so for good', async (t) => {
  t.match(ask('/readyz', { state: 'booting', succeeds: true }), { status: 200, body: { state: 'serving' } });
  const none = { state: 'booting', succeeds: true, workers: nobody } as const;
  t.match(ask('/readyz', none), { status: 503, body: { state: 'starting' } });
  t.match(ask('/readyz', { state: 'stopping', succeeds: true }), { status: 503 });
});

t.test('/livez: whether the supervisor ticks, whatever its workers do', async (t) => {
  t.same(ask('/livez', { state: 'booting', workers: nobody }), { status: 200, headers: {}, body: { live: true } });
  t.match(ask('/livez', { workers: nobody, isCrashLooping: true, state: 'stopping' }), { status: 200 });
  t.match(ask('/livez', { sinceTickMs: 9999 }), { status: 200 });
  t.match(ask('/livez', { sinceTickMs: 12_300 }), { status: 503, body: { live: false, reason: / for 12 s$/ } });
  t.notOk(isTicking({ sinceTickMs: 10_000 }));
});

t.test('GET and HEAD of these two alone', async (t) => {
  t.match(ask('/readyz?verbose', {}, 'HEAD'), { status: 200 });
  t.match(ask('/livez', {}, 'POST'), { status: 405, headers: { allow: 'GET, HEAD' } });
  for (const url of ['/', '', '*', '/readyz/', '/READYZ', '/toString', 'http://host/readyz']) {
    t.match(ask(url, {}, 'OPTIONS'), { status: 404, body: { paths: ['/livez', '/readyz'] } }, url);
  }
});
