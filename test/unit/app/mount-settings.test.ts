/** Settings that every form of app obeys: timeouts, body_limit, proxy_mode. */
import t from 'tap';
import { raw } from '../../support/http.ts';
import { fixture, json, serve } from './mounting.ts';

t.test('timeouts hold for every form, under Fastify too', async (t) => {
  for (const name of ['handler.mjs', 'hono.ts', 'fastify-full.ts', 'fastify-instance.ts']) {
    const served = await serve(fixture(name));
    const { keepAliveTimeout, headersTimeout, requestTimeout } = served.app.server;
    t.strictSame([keepAliveTimeout, headersTimeout, requestTimeout], [72_000, 60_000, 300_000], name);
    await served.end();
  }
  const config = { headers_timeout: 0.2, request_timeout: 0.4 };
  for (const name of ['handler.mjs', 'fastify-full.ts']) {
    const served = await serve(fixture(name), { config });
    t.match(await raw(served.port, 'GET / HTTP/1.1\r\n'), /^HTTP\/1.1 408 /, `${name}: slow headers`);
    const path = name === 'handler.mjs' ? '/raw' : '/echo';
    const slow = `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\nabc`;
    t.match(await raw(served.port, slow), /^HTTP\/1.1 408 /, `${name}: slow body`);
    await served.end();
  }
});

t.test('body_limit holds for the forms that are not Fastify, and 0 lifts it', async (t) => {
  const chunked = (size: number): string =>
    `POST /raw HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n` +
    `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\n\r\n`;
  for (const name of ['handler.mjs', 'express5.ts', 'koa.ts', 'hono.ts', 'h3.ts']) {
    const served = await serve(fixture(name), { config: { body_limit: 1000 } });
    const post = (size: number): Promise<Response> =>
      fetch(`${served.url}/raw`, { method: 'POST', body: 'x'.repeat(size) });
    t.match(await (await post(1000)).json(), { size: 1000 }, name);
    const refused = await post(1001);
    t.equal(refused.status, 413, `${name}: declared`);
    t.equal(refused.headers.get('connection'), 'close');
    t.match(await raw(served.port, chunked(1000)), /^HTTP\/1.1 200 [^]*1000/, `${name}: chunked within the limit`);
    t.match(await raw(served.port, chunked(1001)), /^HTTP\/1.1 413 /, `${name}: chunked`);
    t.match(await json(served.url), { form: String }, 'serves on');
    await served.end();
  }
  const unlimited = await serve(fixture('handler.mjs'), { config: { body_limit: 0 } });
  t.match(await raw(unlimited.port, chunked(2_000_000)), /2000000/);
  await unlimited.end();
});

t.test('body_limit is Fastify’s bodyLimit, and 0 lifts it', async (t) => {
  const post = (url: string, size: number): Promise<Response> =>
    fetch(`${url}/echo`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x'.repeat(size) });
  const served = await serve(fixture('fastify-full.ts'), { config: { body_limit: 1000 } });
  t.equal((await post(served.url, 1000)).status, 200);
  t.equal((await post(served.url, 1001)).status, 413);
  await served.end();
  const unlimited = await serve(fixture('fastify-full.ts'), { config: { body_limit: 0 } });
  t.equal((await post(unlimited.url, 3_000_000)).status, 200);
  await unlimited.end();
});

// Before the next: apps are loaded once per process, and proxy_mode tells Express and Koa to believe.
t.test('without proxy_mode nothing is believed and nothing is touched', async (t) => {
  const headers = { 'x-forwarded-for': '203.0.113.9', 'x-forwarded-proto': 'https' };
  for (const name of ['fastify-full.ts', 'express5.ts', 'koa.ts']) {
    const served = await serve(fixture(name));
    t.match(await json(served.url, { headers }), { ip: /127\.0\.0\.1$/, protocol: 'http' }, name);
    await served.end();
  }
  const served = await serve(fixture('handler.mjs'));
  t.match(await json(served.url, { headers }), { ip: '203.0.113.9' });
  await served.end();
});

t.test('proxy_mode tells every form the client’s address and scheme, in its own words', async (t) => {
  const headers = {
    'x-forwarded-for': '6.6.6.6, 203.0.113.9',
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'a.example',
  };
  const config = { proxy_mode: true };
  for (const name of ['fastify-full.ts', 'express5.ts', 'koa.ts', 'handler.mjs']) {
    const served = await serve(fixture(name), { config });
    t.match(await json(served.url, { headers }), { ip: '203.0.113.9', protocol: 'https' }, name);
    await served.end();
    const distrusting = await serve(fixture(name), { config: { ...config, proxy_trust: ['10.0.0.0/8'] } });
    const { ip = '127.0.0.1', protocol = 'http' } = await json(distrusting.url, { headers });
    t.strictSame([ip, protocol], ['127.0.0.1', 'http'], `${name}: from whom nobody trusts`);
    await distrusting.end();
  }
  for (const name of ['hono.ts', 'h3.ts']) {
    const served = await serve(fixture(name), { config });
    t.match(await json(`${served.url}/?q`, { headers }), { url: 'https://a.example/?q' }, name);
    await served.end();
  }
});
