/** What the listening sockets promise in every mode, shown on the real command. */
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get, getJson, HeldRequest } from '../support/http.ts';
import { shortFolder } from '../support/ini.ts';
import { openSockets } from '../support/passed-sockets.ts';
import { fixture, modes, startTricorn, Tricorn, type Mode, type StartOptions } from '../support/tricorn.ts';

const lab = fixture('lab.ts');

type Start = (t: Test, flags: readonly string[], options?: StartOptions) => Promise<Tricorn>;

export function sockets(mode: Mode): void {
  const start: Start = (t, flags, options) => startTricorn(t, lab, [...modes[mode], ...flags], options);
  unixSocket(start, mode);
  activation(start, mode);
}

/** Names no service at all: the request goes over the unix socket. */
const LOCAL = 'http://local';

function unixSocket(start: Start, mode: Mode): void {
  t.test('http_socket serves beside the port, with its mode, and is removed at the stop', async (t) => {
    const socketPath = join(shortFolder(t), 'app.sock');
    const server = await start(t, [`--http-socket=${socketPath}`]);
    t.match(server.lines.find(({ msg }) => msg.startsWith('Ready'))?.msg, ` on ${server.url} and unix:${socketPath}`);
    t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200);
    t.equal((await get(`${server.url}/who`)).status, 200);
    t.equal(statSync(socketPath).mode & 0o777, 0o660);
    const access = await server.line(({ type, remote }) => type === 'access' && remote === 'unix:');
    t.match(access, { url: '/who', status: 200 });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.notOk(existsSync(socketPath));
  });

  t.test('http_socket outlives every worker: what comes while there is none is answered by the next', async (t) => {
    const socketPath = join(shortFolder(t), 'app.sock');
    const server = await start(t, [`--http-socket=${socketPath}`, '--http-interface=none', '--http-socket-mode=600']);
    t.equal(server.url, '', 'there is no TCP');
    t.equal(statSync(socketPath).mode & 0o777, 0o600);
    for (const pid of server.workers()) process.kill(pid, 'SIGKILL');
    t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200);
  });

  t.test('http_socket: a request in flight is finished at the stop', async (t) => {
    const socketPath = join(shortFolder(t), 'app.sock');
    const server = await start(t, [`--http-socket=${socketPath}`]);
    const held = await HeldRequest.begin(`${LOCAL}/wait`, { socketPath });
    server.kill('SIGTERM');
    await server.line(/stopping/);
    t.match(await held.finish(), { status: 200, body: 'waited' });
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('proxy_mode: a proxy on the unix socket is believed where 127.0.0.1 is', async (t) => {
    const headers = { 'x-forwarded-for': '203.0.113.7', 'x-forwarded-proto': 'https' };
    const socketPath = join(shortFolder(t), 'app.sock');
    const flags = ['--proxy-mode', `--http-socket=${socketPath}`];
    const server = await startTricorn(t, fixture('fastify-full.ts'), [...modes[mode], ...flags]);
    t.match(await getJson(LOCAL, { socketPath, headers }), { ip: '203.0.113.7', protocol: 'https' });
    await server.line(({ type, remote }) => type === 'access' && remote === '203.0.113.7');
    t.match(await getJson(LOCAL, { socketPath }), { protocol: 'http' }, 'who says nothing has no address');
    await server.line(({ type, remote }) => type === 'access' && remote === 'unix:');
  });

  if (mode !== 'threaded') return;
  t.test('http_socket: the thread that replaces another one accepts on it, too', async (t) => {
    const socketPath = join(shortFolder(t), 'app.sock');
    const server = await start(t, [`--http-socket=${socketPath}`, '--threads=1']);
    await get(`${LOCAL}/exit`, { socketPath }).catch(() => {});
    await server.line(/^thread 1 is ready/);
    t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200);
  });
}

function activation(start: Start, mode: Mode): void {
  t.test('sockets that were passed are served instead of its own, and are left alone at the stop', async (t) => {
    const { fds, url, socketPath } = openSockets(t);
    const server = await start(t, [], { passed: { fds, names: 'web:local' } });
    t.equal(server.url, url);
    await server.line(new RegExp(`Listens on unix:${socketPath}, which was passed as local`));
    for (const key of ['http_interface', 'http_port']) await server.line(new RegExp(`${key} is not used: LISTEN_FDS`));
    t.equal((await get(`${url}/who`)).status, 200);
    t.equal((await get(`${LOCAL}/who`, { socketPath })).status, 200);
    for (const pid of server.workers()) t.notMatch(readFileSync(`/proc/${pid}/environ`, 'utf8'), /LISTEN_/);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.ok(existsSync(socketPath), 'the file is not ours to remove');
    // They still listen: what comes now waits for the next start.
    const early = [get(`${url}/who`), get(`${LOCAL}/who`, { socketPath })];
    await new Tricorn(t, [lab, ...modes[mode]], { passed: { fds } }).line(/^Ready/);
    for (const answer of await Promise.all(early)) t.equal(answer.status, 200);
  });

  t.test('sockets that are meant for another process are left to it', async (t) => {
    const { fds, url } = openSockets(t);
    const server = await start(t, [], { passed: { fds, listenPid: process.pid } });
    await server.line(new RegExp(`LISTEN_FDS is ignored: it is meant for process ${process.pid}$`));
    t.not(server.url, url);
    t.equal((await get(`${server.url}/who`)).status, 200);
    for (const pid of server.workers()) t.notMatch(readFileSync(`/proc/${pid}/environ`, 'utf8'), /LISTEN_/);
  });
}
