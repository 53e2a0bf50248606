/** What is no app is refused by name, with the forms that are accepted. */
import t from 'tap';
import { fixture, modes, Tricorn, type LogLine, type Mode } from '../support/tricorn.ts';

const refused: readonly [app: string, code: string, said: RegExp][] = [
  ['class.ts', 'TRC_APP_FORM', /exports the class Service, not an instance of it.*Export as default a Fastify plugin/],
  [
    'exports-nothing.ts',
    'TRC_APP_FORM',
    /exports no default, only port.*or export a node request listener as `handler`/,
  ],
  ['listens-instance.ts', 'TRC_APP_LISTENS', /called listen\(\) itself.*without calling listen\(\)/],
  ['factory.mjs', 'TRC_APP_FORM', /exports a function that returns an app.*`export default createApp\(\)`/],
  ['factory-async.mjs', 'TRC_APP_FORM', /exports a function that returns an app/],
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

export function refusals(mode: Mode): void {
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
