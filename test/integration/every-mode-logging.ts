/** Its log in every mode: whole lines, and no trouble with where they go stops serving. */
import { existsSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { freePort } from '../support/free-port.ts';
import { get } from '../support/http.ts';
import { lab, startLab } from '../support/lab.ts';
import { loops, modes, Tricorn, type LogLine, type Mode } from '../support/tricorn.ts';

const RELOADS = 4;

export function logging(mode: Mode): void {
  lines(mode);
  destinations(mode);
}

function lines(mode: Mode): void {
  t.test('access and app lines carry pid, worker and thread', async (t) => {
    const server = await startLab(t, mode);
    await get(`${server.url}/log?lines=1`);
    const fields = { pid: Number, worker: Number, ...(mode === 'threaded' ? { thread: Number } : {}) };
    t.match(await server.line(/^lab$/), fields);
    const access = await server.line((line) => isAnswerTo(line, '/log'));
    t.match(access, { ...fields, method: 'GET', status: 200, remote: '127.0.0.1', bytes: 6, ms: Number });
  });

  t.test('lines of many writers are never torn', async (t) => {
    const server = await startLab(t, mode);
    // 4000 is near what a pipe takes in one piece, 9000 beyond.
    const lengths = [10, 400, 4000, 9000];
    await Promise.all(Array.from({ length: 80 }, (_, n) => get(`${server.url}/log?lines=5&length=${lengths[n % 4]}`)));
    await server.count(/^lab$/, 80 * 5);
    t.strictSame(server.otherLines, [], 'every line is whole');
  });
}

function isAnswerTo(line: LogLine, path: string): boolean {
  return line['type'] === 'access' && String(line['url']).startsWith(path);
}

function destinations(mode: Mode): void {
  t.test('a logfile that was renamed away is opened anew', async (t) => {
    const logfile = join(t.testdir(), 'tricorn.log');
    const { server, url } = await startWithLogfile(t, mode, logfile);
    const has = (text: string): boolean => existsSync(logfile) && readFileSync(logfile, 'utf8').includes(text);
    // A worker answers a moment before the supervisor has said so.
    while (!has('Ready')) await get(`${url}/who`);
    renameSync(logfile, `${logfile}.1`);
    while (!has('"url":"/who"')) await get(`${url}/who`);
    while (!has('Statistics of the supervisor')) {
      server.kill('SIGUSR1');
      await get(`${url}/who`);
    }
    t.match(readFileSync(`${logfile}.1`, 'utf8'), /Ready/, 'what was before is in the old one');
  });

  t.test(
    'no line is lost where a loop ends: it has its own for every answer, and the last that the app writes',
    async (t) => {
      const dir = t.testdir({
        'app.mjs': `export default async function app(fastify) {
        fastify.get('/who', async () => 'me');
        // An error is written at once, so this is in flight when the loop ends.
        fastify.addHook('onClose', async () => fastify.log.error('the last word'));
      }`,
      });
      const logfile = join(dir, 'tricorn.log');
      const { server, url } = await startWithLogfile(t, mode, logfile, join(dir, 'app.mjs'));
      let answers = 0;
      const ask = async (): Promise<void> => {
        await get(`${url}/who?counted`);
        answers += 1;
      };
      for (let round = 0; round < RELOADS; round += 1) {
        const reloaded = server.control('reload');
        for (let some = 0; some < 10; some += 1) await Promise.all([ask(), ask(), ask()]);
        t.match(await reloaded, { code: 0 });
        await Promise.all([ask(), ask()]);
      }
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
      const logged = readFileSync(logfile, 'utf8').trimEnd().split('\n');
      const lines = logged.map((line) => JSON.parse(line) as LogLine);
      t.equal(lines.filter((line) => isAnswerTo(line, '/who?counted')).length, answers);
      t.equal(lines.filter(({ msg }) => msg === 'the last word').length, (RELOADS + 1) * loops[mode]);
    },
  );

  t.test('a full disk never stops serving', async (t) => {
    const { server, url } = await startWithLogfile(t, mode, '/dev/full');
    for (let n = 0; n < 50; n += 1) t.equal((await get(`${url}/log?lines=10&length=1000`)).status, 200);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('a closed standard output never stops serving', async (t) => {
    const server = await startLab(t, mode);
    const { url } = server;
    server.child.stdout?.destroy();
    for (let n = 0; n < 50; n += 1) t.equal((await get(`${url}/log?lines=10&length=1000`)).status, 200);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });
}

/** A server that does not say on its standard output when it is ready: the port is known, and asked. */
async function startWithLogfile(
  t: Test,
  mode: Mode,
  logfile: string,
  app = lab,
): Promise<{ server: Tricorn; url: string }> {
  const port = freePort();
  const args = [app, ...modes[mode], '--http-interface=127.0.0.1', `--http-port=${port}`, `--logfile=${logfile}`];
  const server = new Tricorn(t, args);
  const url = `http://127.0.0.1:${port}`;
  while ((await get(`${url}/who`).catch(() => undefined))?.status !== 200);
  return { server, url };
}
