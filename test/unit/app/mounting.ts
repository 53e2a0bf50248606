/** Mounts an app of test/fixtures/apps and serves it as a worker does: an acceptor that emits its connections. */
import { once } from 'node:events';
import net from 'node:net';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import pino from 'pino';
import { mountApp, type MountContext, type MountedApp } from '../../../src/app/mount.ts';
import type { Config } from '../../../src/config/config.ts';
import { load } from '../config/support.ts';

const { config: DEFAULTS } = load(import.meta.dirname, {
  argv: ['--http-interface=127.0.0.1', '--threads=1'],
  needsApp: false,
});

export interface Setup {
  readonly config?: Partial<Config>;
  readonly explicit?: readonly (keyof Config)[];
  readonly options?: Record<string, unknown>;
  /** Default: 2. */
  readonly worker?: number;
}

export interface Served {
  readonly app: MountedApp;
  readonly port: number;
  readonly url: string;
  /** Every line that was logged, parsed. */
  readonly lines: Record<string, unknown>[];
  /** Stops the acceptor and the app. */
  end(): Promise<void>;
}

/** The path of a fixture, or of any file of the repository by a name such as `/examples/hello/app.ts`. */
export function fixture(name: string): string {
  const path = name.startsWith('/') ? `../../..${name}` : `../../fixtures/apps/${name}`;
  return fileURLToPath(new URL(path, import.meta.url));
}

/** A context for mountApp(), and where its log lines go. */
export function contextFor(
  app: string,
  setup: Setup = {},
): { context: MountContext; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const sink = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
      done();
    },
  });
  const context: MountContext = {
    config: { ...DEFAULTS, app, ...setup.config },
    app_options: setup.options ?? {},
    explicit: (key) => setup.explicit?.includes(key) ?? false,
    log: pino({ level: 'info' }, sink),
    role: 'http',
    worker: setup.worker ?? 2,
    thread: 1,
    generation: 3,
    address: { address: '127.0.0.1', family: 'IPv4', port: 8069 },
  };
  return { context, lines };
}

/** Mounts, starts and serves an app. */
export async function serve(app: string, setup: Setup = {}): Promise<Served> {
  const { context, lines } = contextFor(app, setup);
  const mounted = await mountApp(context);
  await mounted.start();
  const sockets = new Set<net.Socket>();
  const acceptor = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    mounted.server.emit('connection', socket);
  });
  acceptor.listen(0, '127.0.0.1');
  await once(acceptor, 'listening');
  const { port } = acceptor.address() as net.AddressInfo;
  const end = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    acceptor.close();
    await mounted.stop(60_000);
  };
  return { app: mounted, port, url: `http://127.0.0.1:${port}`, lines, end };
}

export async function json(url: string, init?: RequestInit): Promise<Record<string, unknown>> {
  return (await (await fetch(url, init)).json()) as Record<string, unknown>;
}
