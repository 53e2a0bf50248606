/** Workers and threads die in every mode, of whatever: they are replaced. */
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { get, getJson } from '../support/http.ts';
import { lab, startLab, type Who } from '../support/lab.ts';
import { statistics } from '../support/statistics.ts';
import { loops, modes, startTricorn, type Mode } from '../support/tricorn.ts';

export function deaths(mode: Mode): void {
  replaced(mode);
  swappedFolder(mode);
}

function replaced(mode: Mode): void {
  t.test('a worker that is killed is replaced', async (t) => {
    const server = await startLab(t, mode);
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
        const server = await startLab(t, mode, ['--graceful-timeout=0.2']);
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
