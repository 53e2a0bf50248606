/**
 * The contract: what every mode promises, shown on the real command. every-mode.*.test.ts run it, one file a mode, so
 * that they run beside each other.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { once } from 'node:events';
import net from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { get, getJson, HeldRequest, RawConnection } from '../support/http.ts';
import { fixture, gone, modes, startTricorn, Tricorn, type LogLine, type Mode } from '../support/tricorn.ts';

const lab = fixture('lab.ts');

interface Who {
  readonly pid: number;
  readonly thread: number;
  readonly title: string;
}

export function contract(mode: Mode): void {
  const flags = modes[mode];
  const start = (t: Test, more: readonly string[] = []): Promise<Tricorn> => startTricorn(t, lab, [...flags, ...more]);
  serving(start, mode);
  stopping(start, mode);
  signals(start, mode);
  deaths(start, mode);
  swappedFolder(mode);
  booting(flags);
  logging(start, flags);
  afterInit(flags);
}

type Start = (t: Test, more?: readonly string[]) => Promise<Tricorn>;

/** How many loops serve the app in the contract's flags. */
const loops: Readonly<Record<Mode, number>> = { threaded: 2, prefork: 2, evented: 1 };

function serving(start: Start, mode: Mode): void {
  t.test('it says ready when the app answers, and its titles tell who is who', async (t) => {
    const server = await start(t);
    const { title } = await getJson<Who>(`${server.url}/who`);
    t.match(title, /^tricorn: (http|evented) worker \d \(generation 1\)/);
    t.match(readFileSync(`/proc/${server.pid}/cmdline`, 'latin1'), new RegExp(`^tricorn: supervisor \\(${mode}\\)`));
    t.match((await server.line(/^Ready/)).msg, new RegExp(`^Ready: ${mode}`));
  });

  t.test('a request made while no worker lives waits and is answered', async (t) => {
    const server = await start(t);
    const before = server.workers();
    for (const pid of before) process.kill(pid, 'SIGKILL');
    const { pid } = await getJson<Who>(`${server.url}/who`);
    t.notOk(before.includes(pid), 'by a new worker');
  });

  t.test('a port in use is refused in one line, with exit code 4', async (t) => {
    const server = await start(t);
    const rival = new Tricorn(t, [lab, ...modes[mode], '--http-interface=127.0.0.1', `--http-port=${server.port}`]);
    t.strictSame(await rival.ended, [4, null]);
    t.equal(rival.lines.length, 1, 'one line');
    t.match(rival.lines[0], { code: 'TRC_PORT_IN_USE', msg: new RegExp(`:${server.port} is in use.*--http-port`) });
    t.strictSame(rival.workers(), [], 'no process is left');
  });

  t.test('two that start at the same moment on one port: one serves, the other ends with exit code 4', async (t) => {
    const port = await freePort();
    const args = [lab, ...modes[mode], '--http-interface=127.0.0.1', `--http-port=${port}`];
    const rivals = [new Tricorn(t, args), new Tricorn(t, args)];
    const first = await Promise.race(rivals.map(async (rival) => ({ rival, end: await rival.ended })));
    t.strictSame(first.end, [4, null]);
    const winner = rivals.find((rival) => rival !== first.rival);
    await winner?.line(/^Ready/);
    t.equal((await get(`http://127.0.0.1:${port}/who`)).status, 200);
  });

  t.test('it listens on IPv6 and on names', async (t) => {
    for (const host of ['::1', 'localhost']) {
      const server = new Tricorn(t, [lab, ...modes[mode], `--http-interface=${host}`, '--http-port=0']);
      await server.line(/^Ready/);
      t.equal((await get(`${server.url}/who`)).status, 200, host);
    }
  });
}

async function freePort(): Promise<number> {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function stopping(start: Start, mode: Mode): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    t.test(`${signal}: what is in flight finishes, the hooks run once in each loop, exit code 0`, async (t) => {
      const journal = join(t.testdir(), 'journal');
      const server = await startTricorn(t, lab, [...modes[mode], ...appOptions(t, { journal })]);
      const held = await HeldRequest.begin(`${server.url}/wait`);
      server.kill(signal);
      await server.line(new RegExp(`^${signal}: stopping`));
      await t.rejects(get(`${server.url}/who`), { code: 'ECONNREFUSED' }, 'no new connection');
      const answer = await held.finish();
      t.match(answer, { status: 200, body: 'waited', headers: { connection: 'close' } });
      t.strictSame(await server.ended, [0, null]);
      const notes = readFileSync(journal, 'utf8').trim().split('\n').toSorted();
      const names = Object.keys(Object.groupBy(notes, (note) => note.split(' ')[1] ?? ''));
      t.equal(names.length, loops[mode], 'each loop');
      t.strictSame(
        notes,
        ['onStart', 'onStop'].flatMap((hook) => names.toSorted().map((name) => `${hook} ${name}`)),
      );
    });

    t.test(`a second ${signal} forces: exit code 128 + signal, nothing is left`, async (t) => {
      const server = await start(t);
      const held = await HeldRequest.begin(`${server.url}/hold`);
      const workers = server.workers();
      server.kill(signal);
      await server.line(/: stopping/);
      server.kill(signal);
      await t.rejects(held.untilCut());
      t.strictSame(await server.ended, [signal === 'SIGINT' ? 130 : 143, null]);
      t.ok(server.lines.some(({ msg }) => msg === 'Forced shutdown.'));
      await Promise.all(workers.map(gone));
    });
  }

  t.test('a signal to the whole process group, as Ctrl-C sends it, is left to the supervisor', async (t) => {
    const server = await startTricorn(t, lab, modes[mode], { detached: true });
    const held = await HeldRequest.begin(`${server.url}/wait`);
    process.kill(-server.pid, 'SIGINT');
    await server.line(/^SIGINT: stopping/);
    t.match(await held.finish(), { status: 200, body: 'waited' });
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('an idle keep-alive connection may send one more request while it stops', async (t) => {
    const server = await start(t);
    const idle = await RawConnection.open(server.port);
    t.notMatch(await idle.get('/who'), /connection: close/i);
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    t.match(await idle.get('/who'), /^HTTP\/1\.1 200 [\s\S]*connection: close/i);
    await idle.closed;
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('an answer that has begun finishes, and its connection is closed by the keep-alive timeout', async (t) => {
    const server = await start(t, ['--keep-alive-timeout=0.2']);
    const held = await HeldRequest.begin(`${server.url}/hold`, { agent: undefined });
    await held.headers();
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    t.match(await held.finish(), { status: 200, body: 'begun,done' });
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('at graceful_timeout what is left is cut, and the log says what', async (t) => {
    const server = await start(t, ['--graceful-timeout=0.3']);
    const held = await HeldRequest.begin(`${server.url}/hold`);
    const idle = await RawConnection.open(server.port);
    await idle.get('/who');
    server.kill('SIGTERM');
    await t.rejects(held.untilCut());
    await idle.closed;
    t.strictSame(await server.ended, [0, null]);
    const cut = server.lines.filter(({ msg }) => msg.startsWith('graceful_timeout'));
    t.match(
      cut.flatMap((line) => line['cut']),
      [/^POST \/hold/],
    );
    t.equal(
      cut.reduce((sum, line) => sum + Number(line['idle']), 0),
      1,
      'one idle connection',
    );
  });

  t.test('a loop that is blocked does not hold the stop for ever', async (t) => {
    const server = await start(t, ['--graceful-timeout=0.1']);
    await HeldRequest.begin(`${server.url}/block`);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.ok(server.lines.some(({ msg }) => /did not end in time: (killed|ended)/.test(msg)));
  });

  for (const app of ['never-ready.ts', 'blocks-on-import.ts']) {
    t.test(`a stop while the app still boots does not wait for graceful_timeout: ${app}`, async (t) => {
      const args = [fixture(app), ...modes[mode], '--http-interface=127.0.0.1', '--http-port=0'];
      const server = new Tricorn(t, [...args, '--graceful-timeout=3600', '--log-level=debug']);
      await server.line(/^worker 1 .* starts/);
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
    });
  }

  t.test('drain_delay: a stop serves on for so long; a second signal still forces', async (t) => {
    const server = await start(t, ['--drain-delay=3600']);
    server.kill('SIGTERM');
    await server.line(/^Requests are served for drain_delay = 3600 s more$/);
    await server.line(/^SIGTERM: stopping/);
    t.match(await get(`${server.url}/who`), { status: 200 });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [143, null]);
    const brief = await start(t, ['--drain-delay=0.05']);
    brief.kill('SIGTERM');
    t.strictSame(await brief.ended, [0, null], 'and when it is over, it drains');
  });

  t.test('when the supervisor is killed, its workers end, even one that is blocked', async (t) => {
    const server = await start(t);
    const workers = server.workers();
    const { url } = server;
    await HeldRequest.begin(`${url}/block`);
    server.kill('SIGKILL');
    await Promise.all(workers.map(gone));
    await server.ended;
    const said = server.lines.some(({ msg }) => msg === 'The supervisor is gone: this worker ends with it');
    t.equal(said, mode !== 'evented', 'where a loop turns that can say so');
    await t.rejects(get(`${url}/who`), { code: 'ECONNREFUSED' }, 'nothing holds the port');
  });
}

function signals(start: Start, mode: Mode): void {
  t.test('TTIN and TTOU: one more, one less, never under one', async (t) => {
    const server = await start(t);
    server.kill('SIGTTIN');
    if (mode === 'evented') {
      await server.line(/^Evented mode has one event loop/);
      return;
    }
    await server.line(/^Scaling to \w+, 3 /);
    await server.line(/^(worker|thread) 3 .*is ready/);
    t.strictSame(await loopNames(server, 3), ['1', '2', '3']);
    for (const left of [2, 1]) {
      server.kill('SIGTTOU');
      await server.line(new RegExp(`^Scaling to \\w+, ${left} `));
      await server.line(new RegExp(`^(worker|thread) ${left + 1} .*has ended`));
    }
    server.kill('SIGTTOU');
    await server.line(/^One (worker|thread) is the least/);
    t.strictSame(await loopNames(server, 1), ['1']);
    t.equal((await get(`${server.url}/who`)).status, 200);
  });

  if (mode !== 'evented') {
    t.test('TTOU drains: what is in flight there finishes', async (t) => {
      const server = await start(t);
      // One on each loop: whichever goes, it has one.
      const held = await Promise.all([1, 2].map(() => HeldRequest.begin(`${server.url}/wait`)));
      server.kill('SIGTTOU');
      await server.line(/^Scaling to/);
      for (const request of held) t.match(await request.finish(), { status: 200, body: 'waited' });
    });
  }

  t.test('USR1 logs the statistics of supervisor and every loop, with those of the app', async (t) => {
    const server = await start(t);
    await get(`${server.url}/who`);
    const held = await HeldRequest.begin(`${server.url}/wait`);
    const lines = await statistics(server, loops[mode]);
    const sum = (field: string): number => lines.reduce((total, line) => total + Number(line[field]), 0);
    t.equal(sum('requests'), 2);
    t.equal(sum('inflight'), 1);
    t.equal(sum('connections'), 1);
    t.equal(
      lines.reduce((total, { app }) => total + (app as { served: number }).served, 0),
      2,
    );
    for (const line of lines) {
      t.match(line, {
        utilisation: Number,
        delay_p50_ms: Number,
        delay_p99_ms: Number,
        heap_mib: Number,
        rss_mib: Number,
      });
    }
    t.match(await server.line(/^Statistics of the supervisor/), { rss_mib: Number, workers: { ready: Number } });
    await held.finish();
  });

  t.test('QUIT logs the stacks of supervisor and every loop, also of one that is blocked', async (t) => {
    const server = await start(t);
    await HeldRequest.begin(`${server.url}/block`);
    server.kill('SIGQUIT');
    await server.line(/^Stack of the supervisor/);
    await server.count(/^Stack of worker/, loops[mode]);
    const stacks = server.lines.filter(({ msg }) => msg.startsWith('Stack of worker'));
    t.equal(stacks.filter(({ stack }) => /at blockForEver \(file:.*lab\.ts:\d+:\d+\)/.test(stack ?? '')).length, 1);
    t.equal(stacks.filter(({ stack }) => stack?.startsWith('idle')).length, loops[mode] - 1);
  });

  t.test('a burst of signals loses nothing that matters', async (t) => {
    const server = await start(t);
    for (const signal of ['SIGUSR1', 'SIGTTIN', 'SIGQUIT', 'SIGTTOU', 'SIGUSR1', 'SIGTERM'] as const)
      server.kill(signal);
    t.strictSame(await server.ended, [0, null]);
    const said = server.lines.map(({ msg }) => msg);
    for (const expected of [/^Statistics of the supervisor/, /^Stack of the supervisor/, /^SIGTERM: stopping/]) {
      t.ok(
        said.some((msg) => expected.test(msg)),
        `${expected}`,
      );
    }
  });
}

/** Asks for statistics and returns the lines of as many loops as are expected. */
async function statistics(server: Tricorn, expected: number): Promise<LogLine[]> {
  const before = server.lines.filter(isWorkerStatistics).length;
  server.kill('SIGUSR1');
  await server.count(isWorkerStatistics, before + expected);
  return server.lines.filter(isWorkerStatistics).slice(before);
}

/** The numbers of the loops that answer. */
async function loopNames(server: Tricorn, expected: number): Promise<string[]> {
  return (await statistics(server, expected)).map(({ worker, thread }) => `${thread || worker}`).toSorted();
}

function isWorkerStatistics({ msg }: LogLine): boolean {
  return msg.startsWith('Statistics of worker');
}

function deaths(start: Start, mode: Mode): void {
  t.test('a worker that is killed is replaced', async (t) => {
    const server = await start(t);
    const before = server.workers();
    process.kill(before[0]!, 'SIGKILL');
    t.match((await server.line(/died/)).msg, /^worker \d .*died: signal SIGKILL; it is replaced/);
    await server.line(/^worker \d .*is ready/);
    await statistics(server, loops[mode]);
    t.equal(server.workers().length, before.length);
  });

  for (const [route, logged] of [
    ['/throw', { err: { message: 'thrown by the lab', stack: /throwLater/ } }],
    ['/exit', undefined],
  ] as const) {
    t.test(
      `${route}: the ${mode === 'threaded' ? 'thread' : 'worker'} is replaced, its error is logged once`,
      async (t) => {
        const server = await start(t, ['--graceful-timeout=0.2']);
        const { pid } = await getJson<Who>(`${server.url}/who`);
        await t.rejects(get(`${server.url}${route}`));
        const { msg } = await server.line(/has ended$|died: exit code 7; it is replaced/);
        t.match(msg, mode === 'threaded' ? /^thread/ : /^worker/);
        await server.line(/^(worker|thread) \d .*is ready/);
        const answer = await getJson<Who>(`${server.url}/who`);
        if (mode === 'threaded') t.equal(answer.pid, pid, 'the process lives on');
        const errors = server.lines.filter(({ msg }) => msg === 'Uncaught error');
        t.equal(errors.length, logged ? 1 : 0);
        if (logged) t.match(errors[0], logged);
      },
    );
  }
}

/** The folder it was started in is swapped, as a deploy does: the next worker starts all the same. */
function swappedFolder(mode: Mode): void {
  t.test('a worker starts although the working directory is gone', async (t) => {
    const cwd = mkdtempSync(join(tmpdir(), 'tricorn-cwd-'));
    const server = await startTricorn(t, lab, modes[mode], { cwd });
    rmdirSync(cwd);
    process.kill(server.workers()[0]!, 'SIGKILL');
    await server.line(/^worker \d .*is ready/);
    t.equal((await get(`${server.url}/who`)).status, 200);
  });
}

function booting(flags: readonly string[]): void {
  const failures: [app: string, code: string, stack: RegExp][] = [
    ['throws-on-import.ts', 'TRC_APP_LOAD', /throws-on-import\.ts/],
    ['syntax-error.mjs', 'TRC_APP_LOAD', /syntax-error\.mjs/],
    ['rejects-in-plugin.ts', 'TRC_APP_BOOT', /rejects-in-plugin\.ts/],
    ['exports-string.ts', 'TRC_APP_FORM', /^/],
    ['listens-itself.ts', 'TRC_APP_LISTENS', /^/],
  ];
  for (const [app, code, stack] of failures) {
    t.test(`${app}: its error once, exit code 3`, async (t) => {
      const server = new Tricorn(t, [fixture(app), ...flags, '--http-interface=127.0.0.1', '--http-port=0']);
      t.strictSame(await server.ended, [3, null]);
      const errors = server.lines.filter(({ level }) => level >= 50);
      t.equal(errors.length, 1, 'once');
      t.equal(errors[0]?.['code'], code);
      t.match(errors[0]?.stack ?? '', stack, 'its stack leads to the place');
      t.notOk(server.lines.some(({ msg }) => msg.startsWith('Ready')));
      t.equal(server.stderr, '');
    });
  }

  t.test('an app that is not ready within boot_timeout: exit code 3', async (t) => {
    const args = [
      fixture('never-ready.ts'),
      ...flags,
      '--http-interface=127.0.0.1',
      '--http-port=0',
      '--boot-timeout=0.8',
    ];
    const server = new Tricorn(t, args);
    t.strictSame(await server.ended, [3, null]);
    t.match(
      server.lines.filter(({ level }) => level >= 50),
      [{ code: 'TRC_BOOT_TIMEOUT' }],
    );
  });

  t.test('check boots the app, serves nothing, and tells by its exit code', async (t) => {
    const good = new Tricorn(t, [
      'check',
      lab,
      ...flags,
      '--http-port=1',
      ...appOptions(t, { journal: join(t.testdir(), 'journal') }),
    ]);
    t.strictSame(await good.ended, [0, null]);
    t.match(good.lines.at(-1)?.msg, /^Check passed/);
    const plugin = new Tricorn(t, ['check', fixture('fastify-full.ts'), ...flags]);
    t.strictSame(await plugin.ended, [0, null], 'a Fastify plugin');
    const bad = new Tricorn(t, ['check', fixture('throws-on-import.ts'), ...flags]);
    t.strictSame(await bad.ended, [3, null]);
  });
}

/** The flags that hand options to the app: by its section of an ini. */
function appOptions(t: Test, options: Readonly<Record<string, string>>): string[] {
  const file = join(t.testdirName, 'tricorn.ini');
  if (!existsSync(t.testdirName)) mkdirSync(t.testdirName, { recursive: true });
  writeFileSync(file, ['[app]', ...Object.entries(options).map(([key, value]) => `${key} = ${value}`), ''].join('\n'));
  return ['-c', file];
}

function logging(start: Start, flags: readonly string[]): void {
  t.test('access and app lines carry pid, worker and thread', async (t) => {
    const server = await start(t);
    await get(`${server.url}/log?lines=1`);
    const fields = { pid: Number, worker: Number, ...(flags === modes.threaded ? { thread: Number } : {}) };
    t.match(await server.line(/^lab$/), fields);
    const access = await server.line((line) => isAnswerTo(line, '/log'));
    t.match(access, { ...fields, method: 'GET', status: 200, remote: '127.0.0.1', bytes: 6, ms: Number });
  });

  t.test('lines of many writers are never torn', async (t) => {
    const server = await start(t);
    // 4000 is near what a pipe takes in one piece, 9000 beyond.
    const lengths = [10, 400, 4000, 9000];
    await Promise.all(Array.from({ length: 80 }, (_, n) => get(`${server.url}/log?lines=5&length=${lengths[n % 4]}`)));
    await server.count(/^lab$/, 80 * 5);
    t.strictSame(server.otherLines, [], 'every line is whole');
  });

  t.test('a logfile that was renamed away is opened anew', async (t) => {
    const logfile = join(t.testdir(), 'tricorn.log');
    const { server, url } = await startWithLogfile(t, flags, logfile);
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

  t.test('a full disk never stops serving', async (t) => {
    const { server, url } = await startWithLogfile(t, flags, '/dev/full');
    for (let n = 0; n < 50; n += 1) t.equal((await get(`${url}/log?lines=10&length=1000`)).status, 200);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('a closed standard output never stops serving', async (t) => {
    const server = await start(t);
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
  flags: readonly string[],
  logfile: string,
): Promise<{ server: Tricorn; url: string }> {
  const port = await freePort();
  const args = [lab, ...flags, '--http-interface=127.0.0.1', `--http-port=${port}`, `--logfile=${logfile}`];
  const server = new Tricorn(t, args);
  const url = `http://127.0.0.1:${port}`;
  while ((await get(`${url}/who`).catch(() => undefined))?.status !== 200);
  return { server, url };
}

function isAnswerTo(line: LogLine, path: string): boolean {
  return line['type'] === 'access' && String(line['url']).startsWith(path);
}

const PASSING = `
import test from 'node:test';
import assert from 'node:assert';
test('it serves', async () => assert.equal((await fetch(process.env.TRICORN_URL + '/who')).status, 200));
`;

function afterInit(flags: readonly string[]): void {
  const local = ['--http-interface=127.0.0.1', '--http-port=0'];

  t.test('--stop-after-init boots everything, runs the hooks, exit code 0', async (t) => {
    const journal = join(t.testdir(), 'journal');
    const args = [lab, ...flags, ...local, '--stop-after-init', ...appOptions(t, { journal })];
    const server = new Tricorn(t, args);
    t.strictSame(await server.ended, [0, null]);
    const notes = Object.groupBy(readFileSync(journal, 'utf8').trim().split('\n'), (note) => note.split(' ')[0] ?? '');
    t.equal(notes['onStart']?.length, flags === modes.evented ? 1 : 2);
    t.equal(notes['onStop']?.length, notes['onStart']?.length);
  });

  for (const [name, code] of [
    ['passing', 0],
    ['failing', 1],
  ] as const) {
    t.test(`--test-file: a ${name} test against the live server gives exit code ${code}`, async (t) => {
      const file = join(
        t.testdir({ 'smoke.test.mjs': PASSING.replace('200', code === 0 ? '200' : '500') }),
        'smoke.test.mjs',
      );
      const server = new Tricorn(t, [lab, ...flags, ...local, `--test-file=${file}`, '--stop-after-init']);
      t.strictSame(await server.ended, [code, null]);
      t.ok(
        server.otherLines.some((line) => line.includes('it serves')),
        'its report is shown',
      );
    });
  }
}
