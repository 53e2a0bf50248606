import t, { type Test } from 'tap';
import { raw } from '../../support/http.ts';
import { serve } from './mounting.ts';

/** Serves a plugin of these lines, asks for each of the paths, and returns what was logged. */
async function logged(t: Test, plugin: string, ...paths: string[]): Promise<Record<string, unknown>[]> {
  const dir = t.testdir({ 'app.mjs': plugin });
  const served = await serve(`${dir}/app.mjs`);
  for (const path of paths) await raw(served.port, `GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
  await served.end();
  return served.lines;
}

t.test('request.log, reply.log and the log of the instance are Tricorn’s, with the id of the request', async (t) => {
  const lines = await logged(
    t,
    `export default async function app(fastify) {
      fastify.log.info('while booting');
      fastify.register(async (inner) => inner.log.info('encapsulated'));
      fastify.get('/', async (request, reply) => {
        request.log.info({ own: true }, request.id);
        reply.log.warn('reply');
        return {};
      });
    }`,
    '/',
  );
  const { reqId } = lines.at(2) as { reqId: string };
  t.match(lines, [
    { msg: 'while booting' },
    { msg: 'encapsulated' },
    { level: 30, own: true, msg: reqId },
    { level: 40, reqId, msg: 'reply' },
  ]);
  t.match(reqId, /^req-/);
});

t.test('errors are logged with request and answer as Fastify writes them; nothing else is', async (t) => {
  const lines = await logged(
    t,
    `export default async function app(fastify) {
      fastify.get('/fail', async () => { throw new Error('on purpose'); });
    }`,
    '/fail',
    '/nowhere',
    '/%',
  );
  t.match(lines, [
    {
      level: 50,
      reqId: String,
      msg: 'on purpose',
      err: { type: 'Error', stack: /on purpose/ },
      req: { method: 'GET', url: '/fail', host: 'a', remoteAddress: '127.0.0.1', remotePort: Number },
      res: { statusCode: 500 },
    },
  ]);
  t.equal(lines.length, 1);
});

t.test('level and serializers of a route, and of a plugin for its routes, hold', async (t) => {
  const lines = await logged(
    t,
    `export default async function app(fastify) {
      fastify.get('/debug', { logLevel: 'debug' }, async (request) => request.log.debug('one'));
      fastify.get('/quiet', { logLevel: 'error' }, async (request) => request.log.info('never'));
      fastify.get('/plain', async (request) => { request.log.debug('never'); request.log.info('two'); });
      fastify.register(
        async (inner) => inner.get('/masked', async (request) => request.log.warn({ secret: 'x' }, 'three')),
        { logLevel: 'warn', logSerializers: { secret: () => 'masked' } },
      );
    }`,
    '/debug',
    '/quiet',
    '/plain',
    '/masked',
  );
  t.match(lines, [{ msg: 'one' }, { msg: 'two' }, { msg: 'three', secret: 'masked' }]);
  t.equal(lines.length, 3);
});

t.test('a childLoggerFactory of the app gets Tricorn’s log, whichever way it is set', async (t) => {
  const factory = `(log, bindings, options) => log.child({ ...bindings, tenant: 'acme' }, options)`;
  const lines = await logged(
    t,
    `export default async function app(fastify) {
      fastify.get('/before', async (request) => request.log.info('before'));
      fastify.register(async (inner) => {
        inner.setChildLoggerFactory(${factory});
        inner.get('/instance', async (request) => request.log.info('instance'));
      });
      fastify.get('/route', { childLoggerFactory: ${factory} }, async (request) => request.log.info('route'));
    }`,
    '/before',
    '/instance',
    '/route',
  );
  t.match(lines, [
    { msg: 'before', tenant: undefined },
    { msg: 'instance', tenant: 'acme', reqId: String },
    { msg: 'route', tenant: 'acme', reqId: String },
  ]);
});

t.test('an app that brings its logger keeps it', async (t) => {
  const own = `import { PassThrough } from 'node:stream';
    export const seen = [];
    const stream = new PassThrough().on('data', (line) => process.emit('own-log', JSON.parse(line)));
    export const options = { logger: { stream } };
    export default async function app(fastify) {
      fastify.get('/', async (request) => request.log.info('mine'));
    }`;
  const seen: Record<string, unknown>[] = [];
  process.on('own-log' as never, (line: Record<string, unknown>) => void seen.push(line));
  t.same(await logged(t, own, '/'), []);
  t.match(seen, [{ msg: 'mine' }]);
});

t.test('an app that brings its factory in its options keeps it', async (t) => {
  const factory = `export const options = {
      childLoggerFactory: (log, bindings, options) => log.child({ ...bindings, mine: true }, options),
    };
    export default async function app(fastify) {
      fastify.get('/', async (request) => request.log.info('hello'));
    }`;
  const lines = await logged(t, factory, '/');
  t.match(lines, [{ msg: 'hello', mine: true, reqId: String }]);
});

t.test('requestIdLogLabel is honoured', async (t) => {
  const plugin = `export const options = { requestIdLogLabel: 'trace' };
    export default async function app(fastify) {
      fastify.get('/', async (request) => request.log.info('hello'));
    }`;
  t.match(await logged(t, plugin, '/'), [{ trace: /^req-/, msg: 'hello' }]);
});
