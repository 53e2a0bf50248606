/** What happens when the app's code takes down what it runs in: said once, with what was in flight, and replaced. */
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get, HeldRequest } from '../support/http.ts';
import { fixture, startTricorn, type LogLine, type Mode, type Tricorn } from '../support/tricorn.ts';

const lab = fixture('lab.ts');
const breakable = fixture('breakable.ts');

/** One event loop, so that requests meet in it. */
const alone: Readonly<Record<Mode, readonly string[]>> = {
  threaded: ['--threads=1'],
  prefork: ['--workers=1'],
  evented: ['--evented'],
};

export function crashes(mode: Mode): void {
  const start = (t: Test, ...more: string[]): Promise<Tricorn> =>
    startTricorn(t, lab, [...alone[mode], '--limit-time-real=1h', ...more]);
  uncaught(start);
  exits(start);
  jammed(mode);
  killed(start, mode);
  crashLoop(mode);
}

type Start = (t: Test, ...flags: string[]) => Promise<Tricorn>;

const isReadyAgain = /^(worker|thread) 1 .*is ready$/;

function uncaught(start: Start): void {
  const cases = [
    { path: '/throw', message: 'thrown by the lab', place: /at .*throwLater .*lab\.ts:/ },
    { path: '/reject', message: 'rejected by the lab', place: /at rejectLater .*lab\.ts:/ },
    { path: '/overflow', message: 'Maximum call stack size exceeded', place: /at .*recurse .*lab\.ts:/ },
  ];
  for (const { path, message, place } of cases) {
    t.test(`${path}: logged once, replaced, and what else is in flight is finished`, async (t) => {
      const server = await start(t);
      const other = await HeldRequest.begin(`${server.url}/wait`);
      const culprit = get(`${server.url}${path}`);
      const fatal = await server.line(/^Uncaught error$/);
      const request = `GET ${path}`;
      t.match(fatal, { level: 60, err: { message }, request, requests: [/^POST \/wait \(/, `${request} (`] });
      t.match((fatal['err'] as { stack: string }).stack, place);
      await server.line(isReadyAgain);
      t.equal((await get(`${server.url}/who`)).status, 200, 'its replacement serves');
      t.match(await other.finish(), { status: 200, body: 'waited' }, 'what was in flight beside it is finished');
      t.match(await culprit, { status: 500, body: /TRC_UNCAUGHT/ }, 'whose code threw is not waited for');
      t.match(await server.line(/^(worker|thread) 1.* has ended$/), { code: 1 });
      t.equal(server.lines.filter(({ level }) => level >= 50).length, 1, 'said once');
    });
  }
}

function exits(start: Start): void {
  t.test('process.exit(): whoever comes while it ends waits for its replacement', async (t) => {
    const server = await start(t);
    // It may be cut before the line is read.
    const cut = t.rejects(get(`${server.url}/exit-slowly`));
    await server.line(/^process\.exit\(7\) was called$/);
    const next = get(`${server.url}/who`);
    await cut;
    t.equal((await next).status, 200);
  });

  t.test('process.exit(): the log says where, and what was in flight', async (t) => {
    const server = await start(t);
    const other = await HeldRequest.begin(`${server.url}/wait`);
    const culprit = await HeldRequest.begin(`${server.url}/exit`);
    const fatal = await server.line(/^process\.exit\(7\) was called$/);
    t.match(fatal, {
      level: 60,
      code: 7,
      stack: /at .*exitLater .*lab\.ts:/,
      request: 'POST /exit',
      requests: [/^POST \/wait \(/, /^POST \/exit \(/],
    });
    await t.rejects(other.untilCut());
    await t.rejects(culprit.untilCut());
    t.match(await server.line(/^(worker|thread) 1.* died: exit code 7; it is replaced$/), { level: 40 });
    t.equal((await get(`${server.url}/who`)).status, 200, 'what comes meanwhile waits and is answered');
  });
}

const JAMMED = `
import { open } from 'node:fs';
// A file that nobody writes to stands for one on a server that does not answer: the call does not return.
open('fifo', () => {});
export const handler = (request, response) => {
  if (request.url === '/exit') process.exit(7);
  response.end('ok');
};`;

function jammed(mode: Mode): void {
  t.test('a call of the system that does not return keeps no exit from ending, and no stop', async (t) => {
    const cwd = t.testdir({ 'app.mjs': JAMMED });
    execFileSync('mkfifo', [join(cwd, 'fifo')]);
    const flags = [...alone[mode], '--graceful-timeout=3600'];
    const server = await startTricorn(t, 'app.mjs', flags, { cwd });
    await t.rejects(get(`${server.url}/exit`));
    await server.line(/^(worker|thread) 1.* died: (signal SIGKILL|exit code 7); it is replaced$/);
    t.match(await get(server.url), { status: 200, body: 'ok' });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    await server.line(/^worker 1 .* has called process\.exit\(\) and does not end, .*: killed$/);
  });
}

function killed(start: Start, mode: Mode): void {
  t.test('killed without a word: the first time the log says that it knows no more, then it does', async (t) => {
    const server = await start(t);
    const die = async (count: number): Promise<LogLine> => {
      const held = await HeldRequest.arrive(`${server.url}/wait?${count}`);
      process.kill(server.workers()[0] ?? 0, 'SIGKILL');
      await t.rejects(held.untilCut());
      // Sent before its replacement is there: it waits in the queue of the socket, and is answered.
      t.equal((await get(`${server.url}/who`)).status, 200);
      return server.count(/^worker 1 .* died: signal SIGKILL; it is replaced/, count);
    };
    const first = await die(1);
    t.match(first, { level: 50, msg: /Its requests are not known; from now on/ });
    t.equal(first['requests'], undefined);
    server.kill('SIGUSR1');
    t.match(await server.line(/^Statistics of the supervisor/), { deaths: 1 });
    t.match(await die(2), { level: 50, requests: [/^POST \/wait\?2 \([\d.]+ s\)$/] });
  });

  // In a thread it throws, as Node has it.
  if (mode !== 'threaded') {
    t.test('process.abort(): replaced', async (t) => {
      const server = await start(t);
      const culprit = await HeldRequest.begin(`${server.url}/abort`);
      await t.rejects(culprit.untilCut());
      t.match(await server.line(/^worker 1 .* died: signal SIGABRT; it is replaced/), { level: 50 });
      t.equal((await get(`${server.url}/who`)).status, 200);
    });
  }

  // A thread's own heap ends that thread: see supervision.ts.
  if (mode !== 'threaded') {
    t.test('out of memory: replaced', async (t) => {
      const server = await startTricorn(t, lab, [...alone[mode]], { execArgv: ['--max-old-space-size=64'] });
      await t.rejects(get(`${server.url}/oom`));
      t.match(await server.line(/^worker 1 .* died: signal SIGABRT; it is replaced/), { level: 50 });
      t.equal((await get(`${server.url}/who`)).status, 200);
    });
  }

  t.test('a fault in native code (SIGSEGV): replaced', async (t) => {
    const server = await start(t);
    await t.rejects(get(`${server.url}/segv`));
    t.match(await server.line(/^worker 1 .* died: signal SIGSEGV; it is replaced/), { level: 50 });
    t.equal((await get(`${server.url}/who`)).status, 200);
  });
}

function crashLoop(mode: Mode): void {
  /** It serves; whatever starts from now on fails. */
  async function breakIt(t: Test, ...flags: string[]): Promise<Tricorn & { mend(): void }> {
    const folder = t.testdir({});
    const env = { BREAKABLE: join(folder, 'broken') };
    const server = await startTricorn(t, breakable, [...alone[mode], '--crash-loop-limit=3', ...flags], { env });
    writeFileSync(env.BREAKABLE, '');
    t.teardown(() => rmSync(env.BREAKABLE, { force: true }));
    for (const pid of server.workers()) process.kill(pid, 'SIGKILL');
    return Object.assign(server, { mend: () => rmSync(env.BREAKABLE) });
  }

  t.test('a crash loop is said, the port is kept, and it goes on', async (t) => {
    const server = await breakIt(t);
    t.match(await server.line(/^crash loop: 3 starts in a row failed/), { level: 60, code: 'TRC_CRASH_LOOP' });
    t.match((await server.control('status')).stdout, /^state +crash loop, for/m);
    const waiting = connect(server.port, '127.0.0.1');
    await once(waiting, 'connect');
    waiting.destroy();
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('a reload that serves ends a crash loop', async (t) => {
    const server = await breakIt(t);
    await server.line(/^crash loop: 3 starts in a row failed/);
    server.mend();
    t.match(await server.control('reload'), { code: 0 });
    await server.line(/^The crash loop is over, the service is ready again: \d+ starts failed/);
  });

  t.test('exit_on_crash_loop: it exits with code 3', async (t) => {
    const server = await breakIt(t, '--exit-on-crash-loop');
    t.strictSame(await server.ended, [3, null]);
    t.ok(server.lines.some(({ code }) => code === 'TRC_CRASH_LOOP'));
  });

  if (mode === 'threaded') {
    const breakThreads = async (t: Test, ...flags: string[]): Promise<Tricorn> => {
      const folder = t.testdir({});
      const env = { BREAKABLE: join(folder, 'broken') };
      const server = await startTricorn(t, breakable, ['--threads=1', '--crash-loop-limit=3', ...flags], { env });
      writeFileSync(env.BREAKABLE, '');
      await t.rejects(get(`${server.url}/exit`));
      return server;
    };

    t.test('a crash loop of threads is shown, although their process lives', async (t) => {
      const server = await breakThreads(t);
      await server.line(/^crash loop: 3 starts in a row failed/);
      t.match((await server.control('status')).stdout, /^state +crash loop, for[^]*^ready +0 of 1$/m);
    });

    t.test('exit_on_crash_loop of threads: it exits with code 3', async (t) => {
      const server = await breakThreads(t, '--exit-on-crash-loop');
      t.strictSame(await server.ended, [3, null]);
      t.ok(server.lines.some(({ code }) => code === 'TRC_CRASH_LOOP'));
    });
  }
}
