/** The health port of a server, as load balancers ask it. */
import { BoundSocket } from 'node:net';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { get } from './http.ts';
import { modes, Tricorn, type Mode, type Passed } from './tricorn.ts';

/** What /readyz answers. */
export interface Readyz {
  readonly status: number;
  readonly ready: boolean;
  readonly state: string;
  readonly workers: { readonly ready: number; readonly wanted: number };
}

export async function readyz(health: string): Promise<Readyz> {
  const { status, body } = await get(`${health}/readyz`);
  return { ...(JSON.parse(body) as Omit<Readyz, 'status'>), status };
}

export async function livez(health: string): Promise<number> {
  return (await get(`${health}/livez`)).status;
}

/** A socket for the health port, passed as systemd does: its port is free for sure, and known before the boot. */
export function passHealth(t: Test): { readonly passed: Passed; readonly health: string } {
  const bound = new BoundSocket({ host: '127.0.0.1', port: 0 });
  t.teardown(() => bound.close());
  return { passed: { fds: [bound.fd()], names: 'health' }, health: `http://127.0.0.1:${bound.address().port}` };
}

/** Probes again and again, from several clients at once, until it is told to stop. */
export class Prober {
  readonly #seen = new Map<string, number>();
  readonly #clients: readonly Promise<void>[];
  #isOver = false;

  constructor(health: string) {
    this.#clients = Array.from({ length: 3 }, () => this.#probe(health));
    // Told by stop().
    for (const client of this.#clients) client.catch(() => {});
  }

  /** Which answers there have been. Rejects where a probe got none. */
  async stop(): Promise<string[]> {
    this.#isOver = true;
    await Promise.all(this.#clients);
    return [...this.#seen.keys()];
  }

  async #probe(health: string): Promise<void> {
    while (!this.#isOver) {
      for (const path of ['/readyz', '/livez']) {
        const answer = `${path} ${(await get(`${health}${path}`)).status}`;
        this.#seen.set(answer, (this.#seen.get(answer) ?? 0) + 1);
      }
    }
  }
}

export const GOOD: readonly string[] = ['/readyz 200', '/livez 200'];

export interface Gated {
  readonly folder: string;
  readonly server: Tricorn;
  readonly health: string;
  /** What boots from now on waits. */
  shut(): void;
  /** Whatever boots, or waits, gets ready. */
  open(): void;
}

/** Code of an app that boots only where the gate is open, a file of its folder. */
export const GATE = `
import { existsSync } from 'node:fs';
while (!existsSync('open')) await new Promise(setImmediate);
`;

/** An app whose boot waits until the test opens the gate. */
export function startGated(t: Test, mode: Mode, flags: readonly string[] = []): Gated {
  const folder = t.testdir({ 'app.mjs': `${GATE} export const handler = (_, response) => response.end('ok');` });
  const { passed, health } = passHealth(t);
  const local = ['--http-interface=127.0.0.1', '--http-port=0', '--log-level=debug'];
  const server = new Tricorn(t, ['app.mjs', ...modes[mode], ...local, ...flags], { cwd: folder, passed });
  const gate = join(folder, 'open');
  return {
    folder,
    server,
    health,
    shut: () => rmSync(gate, { force: true }),
    open: () => writeFileSync(gate, ''),
  };
}
