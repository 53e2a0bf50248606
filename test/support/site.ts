/** A service in a folder of its own, under a load, whose app and configuration a test changes while it runs. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { get } from './http.ts';
import { type Load, startLoad } from './load/load.ts';
import { fixture, modes, startTricorn, type Mode, type Tricorn } from './tricorn.ts';

const everybody = { keepAlive: 4, fresh: 2, pipelined: 1, upload: 1, download: 1, sse: 1, websocket: 1 };

/** The app of the load, which also says at /version which version it is. */
export function appOf(version: string): string {
  return `
    import { defineApp } from 'tricorn';
    import app, { plugin } from ${JSON.stringify(fixture('load-app.ts'))};
    export default defineApp({
      http: async (fastify) => {
        fastify.get('/version', async () => ${JSON.stringify(version)});
        await plugin(fastify);
      },
      onStart: app.onStart,
    });`;
}

export interface Site {
  readonly folder: string;
  readonly server: Tricorn;
  /** Puts that version where the server looks. */
  deploy(version: string): void;
  configure(ini: string): void;
  version(): Promise<string>;
}

export async function startSite(t: Test, mode: Mode, ini = '', more: readonly string[] = []): Promise<Site> {
  const folder = t.testdir({ 'app.mjs': appOf('one'), 'tricorn.ini': `[options]\n${ini}` });
  const flags = [...modes[mode], '--no-access-log', ...more];
  const server = await startTricorn(t, 'app.mjs', flags, { cwd: folder });
  return {
    folder,
    server,
    deploy: (version) => writeFileSync(join(folder, 'app.mjs'), appOf(version)),
    configure: (text) => writeFileSync(join(folder, 'tricorn.ini'), text),
    version: async () => (await get(`${server.url}/version`)).body,
  };
}

export function begin(t: Test, server: Tricorn): Load {
  const load = startLoad(server.url, { clients: everybody });
  t.teardown(() => load.stop());
  return load;
}

/** Waits for what is to happen meanwhile; rejects at the load's first failure. */
export async function during(load: Load, event: Promise<unknown>): Promise<void> {
  await Promise.race([event, load.until(Infinity)]);
}
