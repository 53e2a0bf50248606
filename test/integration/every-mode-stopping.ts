/** How it stops in every mode: what is in flight finishes, and nothing holds the stop for ever. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { get, HeldRequest, RawConnection } from '../support/http.ts';
import { folderOf, withIni } from '../support/ini.ts';
import { lab, startLab } from '../support/lab.ts';
import { fixture, gone, loops, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';

export function stopping(mode: Mode): void {
  graceful(mode);
  forced(mode);
  toTheGroup(mode);
  connectionsAtTheStop(mode);
  limited(mode);
  whileBooting(mode);
  drainDelay(mode);
  supervisorKilled(mode);
}

function graceful(mode: Mode): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    t.test(`${signal}: what is in flight finishes, the hooks run once in each loop, exit code 0`, async (t) => {
      const journal = join(folderOf(t), 'journal');
      const server = await startTricorn(t, lab, [...modes[mode], ...withIni(t, { app: { journal } })]);
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
  }
}

function forced(mode: Mode): void {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    t.test(`a second ${signal} forces: exit code 128 + signal, nothing is left`, async (t) => {
      const server = await startLab(t, mode);
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
}

function toTheGroup(mode: Mode): void {
  t.test('a signal to the whole process group, as Ctrl-C sends it, is left to the supervisor', async (t) => {
    const server = await startTricorn(t, lab, modes[mode], { detached: true });
    const held = await HeldRequest.begin(`${server.url}/wait`);
    process.kill(-server.pid, 'SIGINT');
    await server.line(/^SIGINT: stopping/);
    t.match(await held.finish(), { status: 200, body: 'waited' });
    t.strictSame(await server.ended, [0, null]);
  });

  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    t.test(
      `${signal} to the group of an app that would exit at it: what is in flight finishes, a line says why`,
      async (t) => {
        const server = await startTricorn(t, fixture('exits-at-signals.ts'), modes[mode], { detached: true });
        const held = await HeldRequest.begin(`${server.url}/`);
        process.kill(-server.pid, signal);
        await server.line(new RegExp(`^${signal}: stopping`));
        t.match(await held.finish(), { status: 200, body: 'waited' });
        t.strictSame(await server.ended, [0, null]);
        const said = server.lines.filter(({ level }) => level >= 40);
        t.match(said, [
          { level: 40, worker: 1, msg: /^The app listens for SIGINT itself; that listener is not called: .*onStop/ },
        ]);
        t.equal(said.length, 1, 'once');
        t.match(said[0]?.stack, /^ +at .*exits-at-signals\.ts:\d+/, 'and where');
      },
    );
  }

  t.test('nor does a module of --import end it, in the supervisor neither', async (t) => {
    const dir = t.testdir({
      'preload.mjs': `const exit = () => process.exit(5);
        process.on('SIGTERM', exit);
        setTimeout(() => process.on('SIGTERM', exit));`,
    });
    const preload = join(dir, 'preload.mjs');
    const server = await startTricorn(t, lab, modes[mode], { detached: true, execArgv: ['--import', preload] });
    const held = await HeldRequest.begin(`${server.url}/wait`);
    process.kill(-server.pid, 'SIGTERM');
    await server.line(/^SIGTERM: stopping/);
    t.match(await held.finish(), { status: 200, body: 'waited' });
    t.strictSame(await server.ended, [0, null]);
    t.match(
      server.lines.filter(({ level }) => level >= 40),
      [{ level: 40, worker: 1, msg: /^A module of --import or --require listens for SIGTERM itself; .* not called: / }],
    );
  });
}

/** What is open when the stop begins, and goes away by itself. */
function connectionsAtTheStop(mode: Mode): void {
  t.test('an idle keep-alive connection may send one more request while it stops', async (t) => {
    const server = await startLab(t, mode);
    const idle = await RawConnection.open(server.port);
    t.notMatch(await idle.get('/who'), /connection: close/i);
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    t.match(await idle.get('/who'), /^HTTP\/1\.1 200 [\s\S]*connection: close/i);
    await idle.closed;
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('an answer that has begun finishes, and its connection is closed by the keep-alive timeout', async (t) => {
    const server = await startLab(t, mode, ['--keep-alive-timeout=0.2']);
    const held = await HeldRequest.begin(`${server.url}/hold`, { agent: undefined });
    await held.headers();
    server.kill('SIGTERM');
    await server.line(/: stopping/);
    t.match(await held.finish(), { status: 200, body: 'begun,done' });
    t.strictSame(await server.ended, [0, null]);
  });
}

function limited(mode: Mode): void {
  t.test('at graceful_timeout what is left is cut, and the log says what', async (t) => {
    const server = await startLab(t, mode, ['--graceful-timeout=0.3']);
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
    const server = await startLab(t, mode, ['--graceful-timeout=0.1']);
    await HeldRequest.begin(`${server.url}/block`);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
    t.ok(server.lines.some(({ msg }) => /did not end in time: (killed|ended)/.test(msg)));
  });
}

function whileBooting(mode: Mode): void {
  for (const app of ['never-ready.ts', 'blocks-on-import.ts']) {
    t.test(`a stop while the app still boots does not wait for graceful_timeout: ${app}`, async (t) => {
      const args = [fixture(app), ...modes[mode], '--http-interface=127.0.0.1', '--http-port=0'];
      const server = new Tricorn(t, [...args, '--graceful-timeout=3600', '--log-level=debug']);
      await server.line(/^worker 1 .* starts/);
      server.kill('SIGTERM');
      t.strictSame(await server.ended, [0, null]);
    });
  }
}

function drainDelay(mode: Mode): void {
  t.test('drain_delay: a stop serves on for so long; a second signal still forces', async (t) => {
    const server = await startLab(t, mode, ['--drain-delay=3600']);
    server.kill('SIGTERM');
    await server.line(/^Requests are served for drain_delay = 3600 s more$/);
    await server.line(/^SIGTERM: stopping/);
    t.match(await get(`${server.url}/who`), { status: 200 });
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [143, null]);
    const brief = await startLab(t, mode, ['--drain-delay=0.05']);
    brief.kill('SIGTERM');
    t.strictSame(await brief.ended, [0, null], 'and when it is over, it drains');
  });
}

function supervisorKilled(mode: Mode): void {
  for (const [where, path] of [
    ['in JavaScript', () => '/block'],
    // No thread is ended there: whoever waits for its end waits for ever.
    ['outside of it', (fifo: string) => `/block-outside?fifo=${fifo}`],
  ] as const) {
    t.test(`when the supervisor is killed, its workers end, even one that is blocked ${where}`, async (t) => {
      const fifo = join(t.testdir({}), 'fifo');
      execFileSync('mkfifo', [fifo]);
      const server = await startLab(t, mode);
      const workers = server.workers();
      const { url } = server;
      await HeldRequest.begin(`${url}${path(fifo)}`);
      server.kill('SIGKILL');
      await Promise.all(workers.map(gone));
      await server.ended;
      const said = server.lines.some(({ msg }) => msg === 'The supervisor is gone: this worker ends with it');
      t.equal(said, mode !== 'evented', 'where a loop turns that can say so');
      await t.rejects(get(`${url}/who`), { code: 'ECONNREFUSED' }, 'nothing holds the port');
    });
  }
}
