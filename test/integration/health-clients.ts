/** Who asks the health port, and how: what it takes, where it listens, and that no client keeps a probe from its answer. */
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import http from 'node:http';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import t from 'tap';
import { freePort } from '../support/free-port.ts';
import { livez, passHealth, readyz } from '../support/health.ts';
import { answerOf, get, RawConnection } from '../support/http.ts';
import { lab } from '../support/lab.ts';
import { modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';
import { MOST_CONNECTIONS } from '../../src/supervisor/health-port.ts';

export function clients(mode: Mode): void {
  polite(mode);
  hostile(mode);
  places(mode);
}

function polite(mode: Mode): void {
  t.test('GET and HEAD of two paths, with or without a query, a Host or HTTP/1.1; nothing else', async (t) => {
    const { passed, health } = passHealth(t);
    await startTricorn(t, lab, modes[mode], { passed });
    for (const path of ['/livez', '/readyz', '/readyz?verbose']) {
      const headers = { 'content-type': 'application/json', 'cache-control': 'no-store', connection: 'close' };
      const answer = await get(health + path);
      t.match(answer, { status: 200, headers });
      t.match(await head(health + path), {
        status: 200,
        headers: { ...headers, 'content-length': String(answer.body.length) },
      });
    }
    t.match(await get(`${health}/readyz`, { method: 'POST' }), { status: 405, headers: { allow: 'GET, HEAD' } });
    t.match(await get(`${health}/health`), { status: 404, body: /"\/livez","\/readyz"/ });
    t.match(await get(`${health}/constructor`), { status: 404 });
    for (const request of ['GET /readyz HTTP/1.0\r\n\r\n', 'GET /readyz HTTP/1.1\r\n\r\n']) {
      const client = await RawConnection.open(portOf(health));
      client.send(request);
      t.match(await client.answer(), /^HTTP\/1.1 200 OK\r\n/);
      await client.closed;
    }
  });
}

async function head(url: string): ReturnType<typeof get> {
  return answerOf(http.request(url, { agent: false, method: 'HEAD' }).end());
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}

async function open(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1').on('error', () => {});
  await once(socket, 'connect');
  return socket.resume();
}

function hostile(mode: Mode): void {
  t.test('clients that mean no good', async (t) => {
    const { passed, health } = passHealth(t);
    const server = await startTricorn(t, lab, modes[mode], { passed });
    const port = portOf(health);
    const isWell = async (what: string): Promise<void> => {
      t.match(await readyz(health), { status: 200 }, what);
      t.equal(await livez(health), 200, what);
    };
    const fds = (): number => readdirSync(`/proc/${server.pid}/fd`).length;
    const before = fds();

    const half = await RawConnection.open(port);
    half.send('GET /rea');
    const silent = await RawConnection.open(port);
    await isWell('while the half of a line has come');

    const large = await RawConnection.open(port);
    large.send(`GET /readyz HTTP/1.1\r\nX-Large: ${'x'.repeat(1024 * 1024)}\r\n\r\n`);
    await large.closed;
    t.match(large.text, /^(HTTP\/1.1 431 |$)/, 'it is not read to its end');
    await isWell('after a header of 1 MiB');

    const upload = await RawConnection.open(port);
    upload.send(`POST /readyz HTTP/1.1\r\nContent-Length: ${2 ** 40}\r\n\r\n`);
    t.match(await upload.answer(), /^HTTP\/1.1 405 /);
    await upload.closed;
    await isWell('after an upload, of which nothing is read');

    for (let client = 0; client < 100; client += 1) {
      const socket = await open(port);
      socket.write('GET /readyz HTTP/1.1\r\n\r\n');
      socket.resetAndDestroy();
    }
    await isWell('after clients that were gone before their answer');

    const idle: Socket[] = [];
    for (let client = 0; client < 200; client += 1) idle.push(await open(port));
    await isWell('while 200 connections are idle');
    t.ok(fds() <= before + MOST_CONNECTIONS, 'the oldest of them are cut');
    await Promise.all([half.closed, silent.closed, ...idle.map((socket) => socket.closed || once(socket, 'close'))]);
    t.match(half.text, /^(HTTP\/1.1 408 |$)/, 'who never ends his request is cut, too');
    // A client sees the end of its connection a moment before the descriptor is gone: the supervisor's next word is later.
    server.kill('SIGUSR1');
    await server.line(/^Statistics of the supervisor/);
    t.equal(fds(), before, 'nothing is left of them');
    t.same(
      server.lines.filter(({ level }) => level >= 40),
      [],
    );
    t.equal(server.stderr, '');
  });
}

function places(mode: Mode): void {
  t.test('it listens on the loopback alone unless another address is given', async (t) => {
    const port = freePort();
    const server = await startTricorn(t, lab, [...modes[mode], `--health-port=${port}`]);
    const isSaid = (end: string) => ` and http://127.0.0.1:${port}${end} (health)`;
    t.ok(server.lines.find(({ msg }) => msg.startsWith('Ready'))?.msg.endsWith(isSaid('')));
    server.kill('SIGTERM');
    await server.ended;
    const open = await startTricorn(t, lab, [...modes[mode], `--health-port=${port}`, '--health-interface=0.0.0.0']);
    const everywhere = isSaid(' and every other address of this machine');
    t.ok(open.lines.find(({ msg }) => msg.startsWith('Ready'))?.msg.endsWith(everywhere));
    t.match(await readyz(`http://127.0.0.1:${port}`), { status: 200 });
  });

  t.test('a port in use: exit code 4, before any worker starts', async (t) => {
    const rival = createServer().listen(0, '127.0.0.1');
    t.teardown(() => rival.close());
    await once(rival, 'listening');
    const { port } = rival.address() as AddressInfo;
    const local = ['--http-interface=127.0.0.1', '--http-port=0', '--log-level=debug'];
    const server = new Tricorn(t, [lab, ...modes[mode], ...local, `--health-port=${port}`]);
    t.strictSame(await server.ended, [4, null]);
    const address = `127.0.0.1:${port}`;
    t.match(server.lines, [{ level: 60, code: 'TRC_PORT_IN_USE', msg: new RegExp(`${address} .*--health-port`) }]);
    t.equal(server.lines.length, 1);
  });
}
