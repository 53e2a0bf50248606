/**
 * How long after a save the new code answers, with `--dev=reload` in each mode, beside `node --watch` with the same app on bare
 * Fastify in the same run. Two clients ask all the time: one on a connection that it keeps, one on a new connection each time.
 *
 *     node bench/dev-reload.ts          about 4 minutes; exit code 1 when a median is 300 ms or more, or a request failed
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, get } from 'node:http';
import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { buildUntilExit, root } from './support/build.ts';
import { killAllWatched, Watched } from './support/watched.ts';

const SAVES = 20;
const MOST_MS = 300;
/** Between two saves: nobody saves faster. */
const PAUSE_MS = 1200;
const ASK_EVERY_MS = 3;

interface Figures {
  readonly name: string;
  /** Milliseconds from a save to the first new answer on a kept connection, and on a new one. */
  readonly kept: readonly number[];
  readonly fresh: readonly number[];
  readonly failures: number;
}

function ask(url: string, agent: Agent | false): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const request = get(url, { agent }, (response) => {
    let body = '';
    response.setEncoding('utf8').on('data', (chunk: string) => (body += chunk));
    response.on('end', () => resolve(body)).on('error', reject);
  });
  // A browser, too, asks again when a connection that it has kept is closed in that moment.
  request.on('error', (error) => (request.reusedSocket ? resolve('') : reject(error)));
  return promise;
}

/** Milliseconds until the answer has that in it. */
async function until(text: string, url: string, agent: Agent | false, onFailure: () => void): Promise<number> {
  const begun = performance.now();
  for (;;) {
    const answer = await ask(url, agent).catch(onFailure);
    if (answer?.includes(text)) return performance.now() - begun;
    await sleep(ASK_EVERY_MS);
  }
}

async function measure(name: string, url: string, folder: string): Promise<Figures> {
  const source = readFileSync(join(folder, 'app.ts'), 'utf8');
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const kept: number[] = [];
  const fresh: number[] = [];
  let failures = 0;
  const onFailure = (): undefined => {
    failures += 1;
  };
  for (let save = 1; save <= SAVES; save += 1) {
    await ask(url, agent).catch(onFailure);
    await sleep(PAUSE_MS);
    const version = `${name} ${save}`;
    writeFileSync(join(folder, 'app.ts'), source.replace(/hello: '[^']*'/, `hello: '${version}'`));
    const [onKept, onFresh] = await Promise.all([
      until(version, url, agent, onFailure),
      until(version, url, false, onFailure),
    ]);
    kept.push(onKept);
    fresh.push(onFresh);
  }
  agent.destroy();
  return { name, kept, fresh, failures };
}

async function tricorn(mode: string, flags: readonly string[], dir: string, folder: string): Promise<Figures> {
  const where = ['--http-interface=127.0.0.1', '--http-port=0', '--no-access-log', '--log-format=json'];
  const server = await Watched.start([
    join(dir, 'bin/tricorn.js'),
    join(folder, 'app.ts'),
    '--dev=reload',
    ...flags,
    ...where,
  ]);
  const figures = await measure(mode, server.url, folder);
  await server.stop();
  return figures;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

async function nodeWatch(folder: string): Promise<Figures> {
  const port = await freePort();
  const main = join(folder, 'main.ts');
  writeFileSync(
    main,
    `import fastify from 'fastify'; import app from './app.ts'; const server = fastify();
     await server.register(app); await server.listen({ port: ${port}, host: '127.0.0.1' });`,
  );
  const child = spawn(process.execPath, ['--watch', main], { stdio: 'ignore' });
  const url = `http://127.0.0.1:${port}/`;
  await until('hello', url, false, () => {});
  const figures = await measure('node --watch', url, folder);
  child.kill();
  await once(child, 'exit');
  return figures;
}

function at(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.round((sorted.length - 1) * share)] ?? Number.NaN;
}

function report({ name, kept, fresh, failures }: Figures, base: Figures): boolean {
  const show = (values: readonly number[]): string =>
    `median ${at(values, 0.5).toFixed(0)} ms, p90 ${at(values, 0.9).toFixed(0)} ms`;
  const ratio = (at(fresh, 0.5) / at(base.fresh, 0.5)).toFixed(2);
  console.log(
    `${name}: kept connection ${show(kept)}; new ones ${show(fresh)} (${ratio} of ${base.name}); ${failures} failed`,
  );
  return Math.max(at(kept, 0.5), at(fresh, 0.5)) < MOST_MS && failures === 0;
}

const built = buildUntilExit(killAllWatched);
const folder = mkdtempSync(join(tmpdir(), 'tricorn-dev-'));
process.on('exit', () => rmSync(folder, { recursive: true }));
cpSync(join(root, 'examples/hello/app.ts'), join(folder, 'app.ts'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));

const base = await nodeWatch(folder);
report(base, base);
const held = [
  await tricorn('threaded', ['--threads=2'], built.dir, folder),
  await tricorn('prefork', ['--workers=2'], built.dir, folder),
  await tricorn('evented', ['--evented'], built.dir, folder),
].map((figures) => report(figures, base));
process.exitCode = held.every(Boolean) ? 0 : 1;
