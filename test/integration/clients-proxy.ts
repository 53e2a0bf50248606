/** proxy_mode: what the frameworks and the access log take for the client, with and without trusted proxies. */
import t, { type Test } from 'tap';
import { getJson } from '../support/http.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from '../support/tricorn.ts';

/** A client behind two proxies: the nearer one is this machine, the farther one says where it was asked from. */
const forwarded = {
  'x-forwarded-for': '203.0.113.7',
  'x-forwarded-proto': 'https',
  'x-forwarded-host': 'shop.example',
};

interface Seen {
  readonly app: string;
  /** What the app answers where the proxy is believed. */
  readonly believed: Readonly<Record<string, string>>;
  /** And where it is not, given where the server is. */
  readonly plain: (host: string) => Readonly<Record<string, string>>;
}

const client = { ip: '203.0.113.7', protocol: 'https' };
const peer = { ip: '127.0.0.1', protocol: 'http' };

const apps: readonly Seen[] = [
  {
    app: 'fastify-full.ts',
    believed: { ...client, host: 'shop.example' },
    plain: (host) => ({ ...peer, host }),
  },
  { app: 'express5.ts', believed: client, plain: () => peer },
  { app: 'koa.ts', believed: client, plain: () => peer },
  { app: 'hono.ts', believed: { url: 'https://shop.example/' }, plain: (host) => ({ url: `http://${host}/` }) },
];

export function proxies(mode: Mode): void {
  for (const { app, believed, plain } of apps) {
    const start = (t: Test, ...more: string[]): Promise<Tricorn> =>
      startTricorn(t, fixture(app), [...modes[mode], ...more]);

    t.test(`${app}: without proxy_mode nothing is believed`, async (t) => {
      const server = await start(t);
      t.match(await getJson(server.url, { headers: forwarded }), plain(new URL(server.url).host));
      await loggedAs(t, server, '127.0.0.1');
    });

    t.test(`${app}: in proxy_mode a proxy on this machine is believed`, async (t) => {
      const server = await start(t, '--proxy-mode');
      t.match(await getJson(server.url, { headers: forwarded }), believed);
      await loggedAs(t, server, '203.0.113.7');
      const chain = '198.51.100.1, 203.0.113.7';
      t.match(
        await getJson(server.url, { headers: { ...forwarded, 'x-forwarded-for': chain } }),
        believed,
        'only as far as the proxies are trusted: what came before, the client may have made up',
      );
      t.match(
        await getJson(server.url, { headers: { forwarded: 'for=203.0.113.7;proto=https;host=shop.example' } }),
        believed,
        'Forwarded says the same',
      );
      t.match(await getJson(server.url), plain(new URL(server.url).host), 'who says nothing is himself');
    });

    t.test(`${app}: in proxy_mode a proxy that is not in proxy_trust is not believed`, async (t) => {
      const server = await start(t, '--proxy-mode', '--proxy-trust=10.0.0.0/8');
      t.match(await getJson(server.url, { headers: forwarded }), plain(new URL(server.url).host));
      await loggedAs(t, server, '127.0.0.1');
    });
  }
}

async function loggedAs(t: Test, server: Tricorn, remote: string): Promise<void> {
  t.match(await server.line((line) => line['type'] === 'access'), { remote }, 'the access log');
}
