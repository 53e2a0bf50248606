/** Every example starts and answers, and so does `npm start`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { get } from '../support/http.ts';
import { startTricorn, type LogLine } from '../support/tricorn.ts';

const checkout = fileURLToPath(new URL('../..', import.meta.url));
const examples = readdirSync(join(checkout, 'examples'), { withFileTypes: true });

for (const { name } of examples.filter((entry) => entry.isDirectory())) {
  t.test(`examples/${name} answers`, async (t) => {
    const cwd = join(checkout, 'examples', name);
    const server = await startTricorn(t, 'app.ts', [`--data-dir=${t.testdir()}`], { cwd });
    const { status, body } = await get(`${server.url}/`);
    t.equal(status, 200);
    t.match(JSON.parse(body), { hello: String, pid: Number });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.notOk(server.lines.some(({ level }) => level >= 40));
    t.equal(server.stderr, '');
  });
}

t.test('examples/cron runs the job that is asked for', async (t) => {
  const cwd = join(checkout, 'examples', 'cron');
  const server = await startTricorn(t, 'app.ts', [`--data-dir=${t.testdir()}`], { cwd });
  const { status } = await fetch(`${server.url}/digests`, { method: 'POST' });
  t.equal(status, 202);
  for (const user of ['ada', 'grace', 'hedy']) {
    const sent = await server.line((line) => line.msg === 'a digest is sent' && line['user'] === user);
    t.match(sent, { role: 'cron', job: 'send-digests', run: 1 });
  }
  server.kill('SIGTERM');
  t.strictSame(await server.ended, [0, null]);
});

t.test('npm start serves examples/hello, and what it suggests to try works', async (t) => {
  const args = ['-u', 'NODE_OPTIONS', 'npm', 'start', '--silent', '--', '--http-interface=127.0.0.1', '--http-port=0'];
  // In a process group of its own, so that nothing of it stays when the test fails.
  const npm = spawn('env', args, { cwd: checkout, stdio: ['ignore', 'pipe', 'ignore'], detached: true });
  let over = false;
  t.teardown(() => over || process.kill(-(npm.pid ?? 0), 'SIGKILL'));
  const ended = once(npm, 'close');
  let ready: LogLine | undefined;
  // It says more than log lines: what to try.
  for await (const line of createInterface({ input: npm.stdout })) if ((ready = readyIn(line))) break;
  npm.stdout.resume();
  const url = /http:\/\/[\d.:]+/.exec(ready?.msg ?? '')?.[0] ?? '';
  t.match(JSON.parse((await get(`${url}/`)).body), { hello: 'world' });
  t.match(JSON.parse((await get(`${url}/slow?ms=1`)).body), { slept: 1 });
  t.equal((await get(`${url}/slow?ms=none`)).status, 400);
  if (ready) process.kill(ready.pid, 'SIGTERM');
  t.strictSame(await ended, [0, null]);
  over = true;
});

function readyIn(line: string): LogLine | undefined {
  const entry = line.startsWith('{') ? (JSON.parse(line) as LogLine) : undefined;
  return entry?.msg.startsWith('Ready') ? entry : undefined;
}
