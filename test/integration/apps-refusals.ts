/** What is no app is refused by name, with the forms that are accepted. */
import t from 'tap';
import { get } from '../support/http.ts';
import { fixture, loops, modes, startTricorn, Tricorn, type LogLine, type Mode } from '../support/tricorn.ts';

const refused: readonly [app: string, code: string, said: RegExp][] = [
  ['class.ts', 'TRC_APP_FORM', /exports the class Service, not an instance of it.*Export as default a Fastify plugin/],
  [
    'exports-nothing.ts',
    'TRC_APP_FORM',
    /exports no default, only port.*or export a node request listener as `handler`/,
  ],
  ['listens-instance.ts', 'TRC_APP_LISTENS', /called listen\(\) itself.*without calling listen\(\)/],
  ['factory.mjs', 'TRC_APP_FORM', /exports a function that returns an app.*`export default createApp\(\)`/],
  ['factory-sync.cjs', 'TRC_APP_FORM', /exports a function that returns an app/],
  ['factory-async.mjs', 'TRC_APP_FORM', /exports a function that returns an app/],
  ['factory-defined.mjs', 'TRC_APP_FORM', /exports a function that returns an app/],
  ['bad-options.mjs', 'TRC_APP_BOOT', /failed to boot/],
  [
    'unnamed-listener.mjs',
    'TRC_APP_BOOT',
    /failed to boot.*If it is a node request listener, use `export const handler`/,
  ],
];

/** A worker process is one of node:cluster, so there it is served, for it finds that it is not the primary. */
const refusedInThreads: typeof refused = [
  ['forks.cjs', 'TRC_APP_FORKS', /called cluster\.fork\(\).*say how many with --workers/],
];

const LATE = `
import http from 'node:http';
export const handler = (request, response) => {
  if (request.url !== '/listen') return response.end('served');
  // Another one, as for metrics, is the app's own affair.
  const other = http.createServer(() => {}).listen(0, '127.0.0.1', () => {
    const own = http.createServer(handler).listen(0, '127.0.0.1', () => response.end('listens'));
    for (const server of [other, own]) server.unref();
  });
};
`;

/** As what the app of factory-called.mjs is given. */
const factories: readonly [way: string, given: string][] = [
  ['handler, a callback', 'handler'],
  ['handler, an app', 'handler'],
  ['handler, async', 'handler'],
  ['fetch, an app', 'fetch()'],
  ['fetch, async', 'fetch()'],
  ['fetch, not defined', 'fetch()'],
];

export function refusals(mode: Mode): void {
  for (const [way, given] of factories) {
    t.test(
      `a function that makes the app, given as ${way}: 500, and the log says why, once in each loop`,
      async (t) => {
        const env = { FACTORY: way };
        const server = await startTricorn(t, fixture('factory-called.mjs'), [...modes[mode], '--log-format=json'], {
          env,
        });
        for (let request = 0; request < 5; request += 1) {
          t.match(await get(server.url), { status: 500, body: /The app gives no answer/ });
        }
        server.kill('SIGTERM');
        t.strictSame(await server.ended, [0, null]);
        const told = server.lines.filter(({ level }) => level >= 50);
        t.ok(told.length > 0 && told.length <= loops[mode], `${told.length} lines`);
        for (const line of told) {
          t.match(line, { code: 'TRC_APP_FORM', msg: /Export what it returns/ });
          t.ok(line.msg.includes(`exports a ${given} that returns an app`), line.msg);
        }
      },
    );
  }

  t.test('an app that listens itself later is served, and the log says so, once in each loop', async (t) => {
    const server = await startTricorn(t, 'app.mjs', [...modes[mode], '--log-format=json'], {
      cwd: t.testdir({ 'app.mjs': LATE }),
    });
    t.match(await get(`${server.url}/listen`), { status: 200, body: 'listens' });
    t.match(await server.line(/^Beside Tricorn, the app .* called listen\(\) itself/), {
      code: 'TRC_APP_LISTENS',
      level: 50,
    });
    t.match(await get(server.url), { status: 200, body: 'served' });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.equal(server.lines.filter(({ code }) => code === 'TRC_APP_LISTENS').length, 1);
  });

  for (const [app, code, said] of mode === 'threaded' ? [...refused, ...refusedInThreads] : refused) {
    t.test(`${app} is refused by name, with exit code 3`, async (t) => {
      const args = [fixture(app), ...modes[mode], '--http-interface=127.0.0.1', '--http-port=0'];
      const server = new Tricorn(t, args);
      t.strictSame(await server.ended, [3, null]);
      const errors = server.lines.filter(({ level }: LogLine) => level >= 50);
      t.match(errors, [{ code, msg: said }], 'once');
      t.ok(errors[0]?.msg.includes(fixture(app)), 'by name');
      t.notOk(server.lines.some(({ msg }) => msg.startsWith('Ready')));
    });
  }
}
