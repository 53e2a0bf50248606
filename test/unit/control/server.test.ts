import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { promisify } from 'node:util';
import t from 'tap';
import { ask } from '../../../src/control/client.ts';
import { controlCommands } from '../../../src/control/commands.ts';
import type { Outcome, Progress } from '../../../src/control/operations.ts';
import { MOST_CONNECTIONS } from '../../../src/control/server.ts';
import { connectRaw, serve, status } from './support.ts';

const GET = { method: 'GET', path: '/status' } as const;
const run = promisify(execFile);

t.test('a question is answered by one JSON object', async (t) => {
  const { path, service } = await serve(t);
  t.same(await ask(path, GET), { status: 200, body: status });
  t.match(await ask(path, { method: 'GET', path: '/stacks' }), {
    status: 200,
    body: { workers: [{ number: 1, loops: [{ request: 'GET /slow' }] }] },
  });
  t.match(await ask(path, { method: 'GET', path: '/config' }), {
    body: { config: { app: service.loaded.config.app, threads: service.loaded.config.threads } },
  });
});

t.test('curl can use it', async (t) => {
  const { path } = await serve(t);
  const curl = async (...args: string[]): Promise<string> =>
    (await run('curl', ['-s', '--unix-socket', path, ...args])).stdout;
  t.same(JSON.parse(await curl('http://tricorn/status')), status);
  t.same(JSON.parse(await curl('-d', '{"count":3}', 'http://tricorn/scale')), {
    result: { outcome: 'done', text: 'generation 4 serves', generation: 4 },
  });
  const head = await curl('-i', '-X', 'POST', 'http://tricorn/reload');
  t.match(head, /^HTTP\/1\.1 200 OK\r\ncontent-type: application\/x-ndjson\r\n/);
});

t.test('a change tells its progress line by line, then its result', async (t) => {
  const { path, service } = await serve(t);
  const steps = Promise.withResolvers<(progress: Progress) => void>();
  const decided = Promise.withResolvers<Outcome>();
  service.answer = (_, onProgress) => {
    steps.resolve(onProgress);
    return decided.promise;
  };
  const seen: Progress[] = [];
  const first = Promise.withResolvers<void>();
  const answered = ask(path, {
    method: 'POST',
    path: '/reload',
    onProgress: (progress) => {
      seen.push(progress);
      first.resolve();
    },
  });
  const tell = await steps.promise;
  tell({ ready: 1, wanted: 2, text: '' });
  await first.promise;
  t.same(seen, [{ ready: 1, wanted: 2, text: '' }], 'the first line is there while the second is not said yet');
  tell({ ready: 2, wanted: 2, text: '' });
  const error = { code: 'TRC_APP_BOOT', message: 'no', hint: 'h', exitCode: 3, stack: 's' };
  decided.resolve({ outcome: 'failed', text: 'did not boot', error });
  t.same(await answered, { status: 200, body: { result: { outcome: 'failed', text: 'did not boot', error } } });
  t.equal(seen.length, 2);
  tell({ ready: 9, wanted: 9, text: 'too late' });
});

t.test('each change comes with its arguments', async (t) => {
  const { path, service } = await serve(t);
  const post = (route: string, body?: object) =>
    ask(path, { method: 'POST', path: route, ...(body !== undefined && { body }) });
  await post('/rollback');
  await post('/upgrade', {});
  await post('/scale', { count: 7 });
  await post('/mode', { mode: 'prefork', count: 2 });
  await post('/mode', { mode: 'evented' });
  await post('/recycle', { worker: 3 });
  t.same(service.asked, [
    { command: 'rollback' },
    { command: 'upgrade' },
    { command: 'scale', count: 7 },
    { command: 'mode', mode: 'prefork', count: 2 },
    { command: 'mode', mode: 'evented' },
    { command: 'recycle', worker: 3 },
  ]);
});

t.test('where nothing was said before the result, the status says it, too', async (t) => {
  const { path, service } = await serve(t);
  service.answer = () => ({ outcome: 'refused', text: 'a reload is on its way' });
  t.match(await ask(path, { method: 'POST', path: '/reload' }), {
    status: 409,
    body: { result: { outcome: 'refused' } },
  });
  service.answer = () => {
    throw new TypeError('oops');
  };
  t.match(await ask(path, { method: 'POST', path: '/reload' }), {
    status: 500,
    body: { result: { outcome: 'failed', error: { code: 'TRC_INTERNAL', stack: /TypeError: oops/ } } },
  });
});

t.test('whatever is wrong is told, with what is allowed', async (t) => {
  const { path, service } = await serve(t);
  const paths = controlCommands.map(({ method, path: route }) => `${method} ${route}`);
  t.same(await ask(path, { method: 'POST', path: '/relaod' }), {
    status: 404,
    body: { error: '/relaod: no such path; did you mean /reload?', paths },
  });
  t.match(await ask(path, { method: 'GET', path: '/' }), { status: 404, body: { paths } });
  t.match(await ask(path, { method: 'GET', path: '//[' }), { status: 404 });
  t.match(await ask(path, { method: 'GET', path: '/reload' }), {
    status: 405,
    body: { error: 'GET /reload: must be POST' },
  });
  t.match(await ask(path, { method: 'POST', path: '/scale', body: { count: 0, cuont: 1 } }), {
    status: 400,
    body: {
      problems: ['cuont: unknown; there is only count', 'count = 0: must be an integer from 1 to 1024, or auto'],
    },
  });
  t.match(await ask(path, { method: 'POST', path: '/scale', body: [4] }), {
    status: 400,
    body: { error: /JSON object/ },
  });
  const { received } = connectRaw(path, 'POST /scale HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\n{"cou');
  t.match(await received, /^HTTP\/1\.1 400 [^]*must be JSON/);
  t.same(service.asked, []);
});

t.test('an operation that fails is answered, and logged', async (t) => {
  const { path, service, log } = await serve(t);
  service.status = async () => {
    throw new TypeError('oops');
  };
  t.match(await ask(path, GET), { status: 500, body: { error: { code: 'TRC_INTERNAL' } } });
  t.match(log, [{ level: 'error', err: { message: 'oops' } }]);
});

t.test('a stop is answered when the server ends', async (t) => {
  const { path, service, control } = await serve(t);
  const begun = Promise.withResolvers<void>();
  const answered = ask(path, { method: 'POST', path: '/stop', onProgress: () => begun.resolve() });
  await begun.promise;
  t.equal(service.stops, 1);
  t.match(await ask(path, GET), { status: 200 }, 'it can still be asked');
  control.close();
  t.same(await answered, { status: 200, body: { result: { outcome: 'done', text: 'stopped' } } });
  await t.rejects(ask(path, GET), { code: 'TRC_NO_SERVER' });
});

t.test('whoever waits for an outcome when the server ends is told', async (t) => {
  const { path, service, control } = await serve(t);
  const asked = Promise.withResolvers<void>();
  service.answer = () => {
    asked.resolve();
    return new Promise(() => {});
  };
  const answered = ask(path, { method: 'POST', path: '/reload' });
  await asked.promise;
  const idle = connectRaw(path);
  await once(idle.socket, 'connect');
  control.close();
  t.match(await answered, { status: 409, body: { result: { outcome: 'refused', text: 'the server stops' } } });
  t.equal(await idle.received, '', 'and others are cut');
});

t.test('hostile: half a line, then gone, or garbage', async (t) => {
  const { path, log } = await serve(t);
  const half = connectRaw(path, 'GET /sta');
  await once(half.socket, 'connect');
  half.socket.destroy();
  const short = connectRaw(path, 'POST /scale HTTP/1.1\r\nhost: t\r\ncontent-length: 100\r\n\r\n{"co');
  await once(short.socket, 'connect');
  short.socket.destroy();
  for (const garbage of ['\0\xff\r\n\r\n', '{"command":"reload"}\n', 'GET /status HTTP/1.1\r\n\r\n']) {
    t.match(await connectRaw(path, garbage).received, /^HTTP\/1\.1 400 /, JSON.stringify(garbage));
  }
  t.match(await ask(path, GET), { status: 200 });
  t.same(log, []);
});

t.test('hostile: 10 MB as a line, as headers, as a body', async (t) => {
  const { path, service } = await serve(t);
  const much = 'x'.repeat(10_000_000);
  t.match(await connectRaw(path, `GET /${much}`).received, /^HTTP\/1\.1 431 /);
  t.match(await connectRaw(path, `GET /status HTTP/1.1\r\nhost: t\r\nx: ${much}`).received, /^HTTP\/1\.1 431 /);
  const before = process.memoryUsage.rss();
  for (const head of [`content-length: ${much.length}`, 'transfer-encoding: chunked']) {
    const said = `POST /scale HTTP/1.1\r\nhost: t\r\n${head}\r\n\r\n989680\r\n${much}`;
    t.match(await connectRaw(path, said).received, /^HTTP\/1\.1 413 [^]*must not exceed 65536 bytes/, head);
  }
  t.ok(process.memoryUsage.rss() - before < 100_000_000, 'it is not kept');
  t.same(service.asked, []);
  t.match(await ask(path, GET), { status: 200 });
});

t.test('hostile: 100 connections that say nothing; the next is answered all the same', async (t) => {
  const { path } = await serve(t);
  const idle = Array.from({ length: 100 }, () => connectRaw(path));
  const answers = idle.map(({ received }) => received);
  const ended: string[] = [];
  const refused = Promise.withResolvers<void>();
  for (const answer of answers) {
    void answer.then((text) => ended.push(text) === 100 - MOST_CONNECTIONS && refused.resolve());
  }
  await refused.promise;
  t.ok(ended.every((text) => text.startsWith('HTTP/1.1 503 ') && text.includes('try again')));
  t.match(await ask(path, GET), { status: 200 }, 'the command waits until the idle ones were cut');
  const cut = (await Promise.all(answers)).filter((text) => !text.startsWith('HTTP/1.1 503 '));
  t.equal(cut.length, MOST_CONNECTIONS);
  t.ok(cut.every((text) => /^(HTTP\/1\.1 408 .*)?/.test(text)));
});

t.test('hostile: gone in mid-answer; the change goes on', async (t) => {
  const { path, service, log } = await serve(t);
  const [started, gone, finished] = [0, 1, 2].map(() => Promise.withResolvers<void>()) as [
    PromiseWithResolvers<void>,
    PromiseWithResolvers<void>,
    PromiseWithResolvers<void>,
  ];
  service.answer = async (_, onProgress) => {
    onProgress({ ready: 0, wanted: 2, text: '' });
    started.resolve();
    await gone.promise;
    for (let ready = 0; ready < 1000; ready += 1) onProgress({ ready, wanted: 2, text: 'x'.repeat(1000) });
    finished.resolve();
    return { outcome: 'done', text: '', generation: 4 };
  };
  const client = connectRaw(path, 'POST /reload HTTP/1.1\r\nhost: t\r\n\r\n');
  await started.promise;
  client.socket.destroy();
  await client.received;
  gone.resolve();
  await finished.promise;
  t.match(await ask(path, GET), { status: 200 });
  t.same(
    log.filter(({ level }) => level !== 'info'),
    [],
  );
});

t.test('a client that ends its side first still gets its answer', async (t) => {
  const { path } = await serve(t);
  const { socket, received } = connectRaw(path);
  socket.end('GET /status HTTP/1.1\r\nhost: t\r\n\r\n');
  t.match(await received, /^HTTP\/1\.1 200 OK\r\n[^]*"generation":3/);
});

t.test('an answer ends its connection: what follows in it is not heard', async (t) => {
  const { path, service } = await serve(t);
  const reload = 'POST /reload HTTP/1.1\r\nhost: t\r\n\r\n';
  const text = await connectRaw(path, reload.repeat(5)).received;
  t.equal(text.split('HTTP/1.1 ').length - 1, 1);
  t.equal(service.asked.length, 1);
});
