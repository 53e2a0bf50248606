/** Clients that are late or silent are let go; the connections of others are not touched. */
import t, { type Test } from 'tap';
import { get, RawConnection } from '../support/http.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

const forms: readonly [app: string, path: string][] = [
  ['fastify-full.ts', '/echo'],
  ['fastify-instance.ts', '/'],
  ['express5.ts', '/raw'],
  ['hono.ts', '/raw'],
];

export function timeouts(mode: Mode): void {
  for (const [app, path] of forms) {
    t.test(`${app}: late clients get 408, idle ones are let go`, async (t) => {
      const flags = [
        ...modes[mode],
        '--headers-timeout=0.3',
        '--request-timeout=0.5',
        '--keep-alive-timeout=0.2',
        '--graceful-timeout=20',
      ];
      const server = await startTricorn(t, fixture(app), flags);
      // Beside each other: each waits for its timeout.
      await Promise.all([halfAHead(t, server), halfABody(t, server, path), idle(t, server), nothing(t, server)]);
      t.equal(await inTime(() => okOf(server)), 200, 'others are served');
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
    });
  }
}

async function halfAHead(t: Test, server: Tricorn): Promise<void> {
  const client = await RawConnection.open(server.port);
  client.send('GET / HTTP/1.1\r\nHost: la');
  await client.closed;
  t.match(client.text, /^HTTP\/1\.1 408 /, 'headers_timeout: half a head');
}

async function halfABody(t: Test, server: Tricorn, path: string): Promise<void> {
  const client = await RawConnection.open(server.port);
  client.send(`POST ${path} HTTP/1.1\r\nHost: lab\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{"a"`);
  await client.closed;
  t.match(client.text, /^HTTP\/1\.1 408 /, 'request_timeout: half a body');
}

async function idle(t: Test, server: Tricorn): Promise<void> {
  const client = await inTime(async () => {
    const connection = await RawConnection.open(server.port);
    return (await connection.get('/')).startsWith('HTTP/1.1 200 ')
      ? connection
      : Promise.reject(new Error(connection.text));
  });
  await client.closed;
  t.notMatch(client.text, /HTTP\/1\.1 408/, 'keep_alive_timeout: closed without a word');
}

async function nothing(t: Test, server: Tricorn): Promise<void> {
  const client = await RawConnection.open(server.port);
  await client.closed;
  t.match(client.text, /^(HTTP\/1\.1 408 |$)/, 'headers_timeout: not a byte');
}

async function okOf(server: Tricorn): Promise<number> {
  const { status } = await get(`${server.url}/`);
  if (status === 408) throw new Error('408');
  return status;
}

/**
 * What the first attempt yields that was not refused for being late: on a busy machine a client that means well may need
 * longer for its head than headers_timeout allows.
 */
async function inTime<T>(attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ECONNRESET' && !/408|^cut: $/.test(message)) throw error;
    }
  }
}
