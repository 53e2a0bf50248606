import t from 'tap';
import { Crew, type CrewOptions } from '../../../src/supervisor/crew.ts';

function crew({ http = true, most = 2, mode = 'prefork', isCheck = false }): Crew {
  const config = { http_enable: http, max_cron_threads: most };
  return new Crew({ config, mode: () => mode as ReturnType<CrewOptions['mode']>, isCheck });
}

t.test('none before a worker has said that there are jobs', async (t) => {
  const some = crew({});
  t.equal(some.size, 0);
  some.hear({ jobs: 0 });
  t.equal(some.size, 0);
  some.hear({ jobs: 1 });
  t.equal(some.size, 2);
  some.hear(undefined);
  t.equal(some.size, 2, 'what was said stays');
});

t.test('without HTTP there are some until one of them says that there are no jobs', async (t) => {
  const some = crew({ http: false });
  t.equal(some.size, 2);
  some.hear({ jobs: 0 });
  t.equal(some.size, 0);
});

t.test('processes, or in threaded mode threads of one', async (t) => {
  for (const [mode, size, threads] of [
    ['prefork', 3, 0],
    ['evented', 3, 0],
    ['threaded', 1, 3],
  ] as const) {
    const some = crew({ mode, most: 3 });
    some.hear({ jobs: 5 });
    t.strictSame([some.size, some.threads], [size, threads], mode);
  }
});

t.test('none where none are wanted, and in a check', async (t) => {
  for (const some of [crew({ most: 0 }), crew({ isCheck: true }), crew({ isCheck: true, http: false })]) {
    some.hear({ jobs: 1 });
    t.equal(some.size, 0);
  }
});
