/** How it boots in every mode, whether all goes well or not, and what ends with the boot: `check`, --stop-after-init. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { get } from '../support/http.ts';
import { folderOf, withIni } from '../support/ini.ts';
import { lab } from '../support/lab.ts';
import { fixture, loops, modes, startTricorn, Tricorn, type Mode } from '../support/tricorn.ts';

/** It is loaded in the supervisor as well, which must not wait for ever. */
const SLOW = `
const { SLOW } = process.env;
if (SLOW !== 'never') await new Promise((resolve) => setTimeout(resolve, Number(SLOW)));
else if (process.send) await new Promise((resolve) => setTimeout(resolve, 2 ** 30));
`;

const local = ['--http-interface=127.0.0.1', '--http-port=0'];

export function booting(mode: Mode): void {
  failures(mode);
  checked(mode);
  afterInit(mode);
}

function failures(mode: Mode): void {
  const broken: [app: string, code: string, stack: RegExp][] = [
    ['throws-on-import.ts', 'TRC_APP_LOAD', /throws-on-import\.ts/],
    ['syntax-error.mjs', 'TRC_APP_LOAD', /syntax-error\.mjs/],
    ['rejects-in-plugin.ts', 'TRC_APP_BOOT', /rejects-in-plugin\.ts/],
    ['exports-string.ts', 'TRC_APP_FORM', /^/],
    ['listens-itself.ts', 'TRC_APP_LISTENS', /^/],
  ];
  for (const [app, code, stack] of broken) {
    t.test(`${app}: its error once, exit code 3`, async (t) => {
      const server = new Tricorn(t, [fixture(app), ...modes[mode], ...local]);
      t.strictSame(await server.ended, [3, null]);
      const errors = server.lines.filter(({ level }) => level >= 50);
      t.equal(errors.length, 1, 'once');
      t.equal(errors[0]?.['code'], code);
      t.match(errors[0]?.stack ?? '', stack, 'its stack leads to the place');
      t.notOk(server.lines.some(({ msg }) => msg.startsWith('Ready')));
      t.equal(server.stderr, '');
    });
  }

  t.test('modules of --import may await, in supervisor, workers and threads, before the app is loaded', async (t) => {
    const cwd = t.testdir({ 'slow.mjs': SLOW });
    const execArgv = [`--import=${join(cwd, 'slow.mjs')}`];
    const server = await startTricorn(t, lab, modes[mode], { execArgv, env: { SLOW: '500' } });
    t.equal((await get(`${server.url}/who`)).status, 200);
    server.kill('SIGTERM');
    t.strictSame(await server.ended, [0, null]);
  });

  t.test('one that is not loaded within boot_timeout is what the error blames, not the app', async (t) => {
    const cwd = t.testdir({ 'slow.mjs': SLOW });
    const execArgv = [`--import=${join(cwd, 'slow.mjs')}`];
    const args = [lab, ...modes[mode], ...local, '--boot-timeout=0.8'];
    const server = new Tricorn(t, args, { execArgv, env: { SLOW: 'never' } });
    t.strictSame(await server.ended, [3, null]);
    t.match(
      server.lines.filter(({ level }) => level >= 50),
      [{ code: 'TRC_BOOT_TIMEOUT', msg: /A module of --import or --require has not been loaded/ }],
    );
  });

  t.test('an app that is not ready within boot_timeout: exit code 3', async (t) => {
    const server = new Tricorn(t, [fixture('never-ready.ts'), ...modes[mode], ...local, '--boot-timeout=0.8']);
    t.strictSame(await server.ended, [3, null]);
    t.match(
      server.lines.filter(({ level }) => level >= 50),
      [{ code: 'TRC_BOOT_TIMEOUT' }],
    );
  });
}

function checked(mode: Mode): void {
  t.test('check boots the app, serves nothing, and tells by its exit code', async (t) => {
    const good = new Tricorn(t, [
      'check',
      lab,
      ...modes[mode],
      '--http-port=1',
      ...withIni(t, { app: { journal: join(folderOf(t), 'journal') } }),
    ]);
    t.strictSame(await good.ended, [0, null]);
    t.match(good.lines.at(-1)?.msg, /^Check passed/);
    const plugin = new Tricorn(t, ['check', fixture('fastify-full.ts'), ...modes[mode]]);
    t.strictSame(await plugin.ended, [0, null], 'a Fastify plugin');
    const bad = new Tricorn(t, ['check', fixture('throws-on-import.ts'), ...modes[mode]]);
    t.strictSame(await bad.ended, [3, null]);
  });
}

const PASSING = `
import test from 'node:test';
import assert from 'node:assert';
test('it serves', async () => assert.equal((await fetch(process.env.TRICORN_URL + '/who')).status, 200));
`;

function afterInit(mode: Mode): void {
  t.test('--stop-after-init boots everything, runs the hooks, exit code 0', async (t) => {
    const journal = join(folderOf(t), 'journal');
    const args = [lab, ...modes[mode], ...local, '--stop-after-init', ...withIni(t, { app: { journal } })];
    const server = new Tricorn(t, args);
    t.strictSame(await server.ended, [0, null]);
    const notes = Object.groupBy(readFileSync(journal, 'utf8').trim().split('\n'), (note) => note.split(' ')[0] ?? '');
    t.equal(notes['onStart']?.length, loops[mode]);
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
      const server = new Tricorn(t, [lab, ...modes[mode], ...local, `--test-file=${file}`, '--stop-after-init']);
      t.strictSame(await server.ended, [code, null]);
      t.ok(
        server.otherLines.some((line) => line.includes('it serves')),
        'its report is shown',
      );
    });
  }
}
