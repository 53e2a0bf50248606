import diagnostics from 'node:diagnostics_channel';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import t from 'tap';
import { mountApp } from '../../../src/app/mount.ts';
import { TricornError } from '../../../src/errors.ts';
import { contextFor, fixture, json, serve, type Setup } from './mounting.ts';

/** Mounts, starts and closes an app that should not get that far; gives its error. */
async function failure(name: string, setup: Setup = {}): Promise<TricornError> {
  const { context } = contextFor(fixture(name), setup);
  try {
    const app = await mountApp(context);
    await app.start();
    await app.stop(1000);
  } catch (error) {
    if (error instanceof TricornError) return error;
    throw error;
  }
  throw new Error(`${name} was mounted`);
}

const ANSWERS = {
  'express5.ts': { form: 'express' },
  'connect.cjs': { form: 'connect' },
  'koa.ts': { form: 'koa' },
  'koa-callback.ts': { form: 'koa callback' },
  'polka.cjs': { form: 'polka' },
  'hono.ts': { form: 'hono' },
  'h3.ts': { form: 'h3' },
  'handler.mjs': { form: 'handler' },
  'named-listener.mjs': { form: 'named listener' },
  'async-build.ts': { form: 'async build' },
  'define-app.ts': { form: 'defineApp' },
  'fastify-instance.ts': { form: 'fastify instance' },
  'fastify-full.ts': { greeting: 'hello' },
  'fastify-cli-cjs/app.js': { root: true },
  'fastify-cli-esm/app.js': { root: true },
  '/examples/hello/app.ts': { hello: 'world' },
  '/examples/express/app.ts': { hello: 'express' },
  '/examples/koa/app.ts': { hello: 'koa' },
  '/examples/hono/app.ts': { hello: 'hono' },
  '/examples/define-app/app.ts': { hello: 'node:http' },
};

for (const [name, answer] of Object.entries(ANSWERS)) {
  t.test(`${name} is served`, async (t) => {
    const served = await serve(fixture(name));
    t.match(await json(served.url), answer);
    await served.end();
  });
}

t.test('a stream that hono sends arrives in pieces', async (t) => {
  const served = await serve(fixture('hono.ts'));
  t.equal(await (await fetch(`${served.url}/stream`)).text(), 'one\ntwo\nthree\n');
  t.match(await (await fetch(`${served.url}/events`)).text(), /id: 3/);
  t.equal((await fetch(`${served.url}/fail`)).status, 500);
  await served.end();
});

t.test('hooks run once, in order, and know their worker; stats and health answer', async (t) => {
  const journal = `${t.testdir()}/journal`;
  const served = await serve(fixture('define-app.ts'), { options: { journal } });
  await json(served.url);
  t.match(await served.app.stats(), { requests: Number });
  t.equal(await served.app.health?.({ signal: new AbortController().signal }), true);
  await Promise.all([served.app.stop(1000), served.app.stop(1000)]);
  await served.end();
  const lines = readFileSync(journal, 'utf8');
  t.equal(lines, `onStart http 2 1 ${process.pid}\nonStop http 2 1 ${process.pid}\n`);
});

t.test('onStop does not run where onStart did not', async (t) => {
  const journal = `${t.testdir({ journal: '' })}/journal`;
  const app = await mountApp(contextFor(fixture('define-app.ts'), { options: { journal } }).context);
  await app.stop(1000);
  t.equal(readFileSync(journal, 'utf8'), '');
});

t.test('stop gives a hook no more than its time, and says which', async (t) => {
  const { context } = contextFor(fixture('define-app.ts'), { options: { hang: 'onStop' } });
  const app = await mountApp(context);
  await app.start();
  await t.rejects(app.stop(50), { message: 'onStop was not done within 0.05 s' });
});

t.test('apps without hooks: no stats, and healthy', async (t) => {
  const served = await serve(fixture('handler.mjs'));
  t.equal(await served.app.stats(), undefined);
  t.equal(served.app.health, undefined);
  await served.end();
});

t.test('what fails to load or boot is told with the app’s own error', async (t) => {
  t.match(await failure('throws-on-import.ts'), {
    code: 'TRC_APP_LOAD',
    exitCode: 3,
    cause: { message: 'no database here', stack: /throws-on-import\.ts:4/ },
  });
  t.match(await failure('rejects-in-plugin.ts'), {
    code: 'TRC_APP_BOOT',
    cause: { message: 'the plugin failed', stack: /rejects-in-plugin\.ts:3/ },
  });
  t.match(await failure('/no/such/file.ts'), { code: 'TRC_APP_LOAD', cause: { code: 'ERR_MODULE_NOT_FOUND' } });
  t.match(await failure('exports-nothing.ts'), { code: 'TRC_APP_FORM', message: /exports no default, only port/ });
  t.match(await failure('exports-string.ts'), { code: 'TRC_APP_FORM', message: /exports a string \(app\)/ });
  t.match(await failure('class.ts'), { code: 'TRC_APP_FORM', message: /the class Service/ });
});

t.test('a plugin that never ends is told by Fastify, before the boot’s own limit', async (t) => {
  t.match(await failure('never-ready.ts', { config: { boot_timeout: 0.3 } }), {
    code: 'TRC_BOOT_TIMEOUT',
    cause: { message: /Plugin did not start in time: 'app'/ },
  });
});

t.test('a listener that was taken for a plugin is told how to export it', async (t) => {
  t.match(await failure('unnamed-listener.mjs'), {
    code: 'TRC_APP_BOOT',
    hint: /export const handler/,
    cause: { message: /b\.end is not a function/ },
  });
});

t.test('an app that listens itself is refused', async (t) => {
  // Refused or not, those servers are there: the app must be stopped for this process to end.
  const listening = new Set<net.Server>();
  const remember = (message: unknown): void => void listening.add((message as { server: net.Server }).server);
  diagnostics.subscribe('tracing:net.server.listen:asyncStart', remember);
  t.equal((await failure('listens-itself.ts')).code, 'TRC_APP_LISTENS');
  t.equal((await failure('listens-instance.ts')).code, 'TRC_APP_LISTENS');
  diagnostics.unsubscribe('tracing:net.server.listen:asyncStart', remember);
  t.equal(listening.size, 2);
  for (const server of listening) server.close();
});

t.test('a server beside the app that is no HTTP server may listen', async (t) => {
  const app = t.testdir({
    'app.mjs': `import net from 'node:net';
      export const side = net.createServer().listen(0);
      export const handler = (req, res) => res.end('{}');`,
  });
  const served = await serve(`${app}/app.mjs`);
  t.match(await json(served.url), {});
  const { side } = (await import(`${app}/app.mjs`)) as { side: net.Server };
  side.close();
  await served.end();
});

t.test('the server is an http.Server that does not listen', async (t) => {
  const served = await serve(fixture('handler.mjs'));
  t.ok(served.app.server instanceof http.Server);
  t.equal(served.app.server.listening, false);
  await served.end();
});
