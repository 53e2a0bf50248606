import t, { type Test } from 'tap';
import type { LoadedConfig } from '../../../src/config/config.ts';
import { settings } from '../../../src/config/settings.ts';
import { mask } from '../../../src/config/values.ts';
import { masked } from '../../../src/control/masked.ts';
import { planOf, showPlan, type Change } from '../../../src/control/plan.ts';
import { load } from '../config/support.ts';

interface Side {
  readonly ini?: string;
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

function loadSide(t: Test, { ini = '', argv = [], env = {} }: Side): LoadedConfig {
  const folder = t.testdir({ 'app.ts': '', 'tricorn.ini': `[options]\napp = app.ts\n${ini}` });
  return load(folder, { argv, env });
}

/** As it comes over the socket. */
function plan(t: Test, running: Side, wanted: Side): Change[] {
  const reported = JSON.parse(JSON.stringify(masked(loadSide(t, running)))) as ReturnType<typeof masked>;
  return planOf(reported, loadSide(t, wanted));
}

t.test('nothing differs', async (t) => {
  const side = { ini: 'workers = 2\nproxy_mode = yes\nproxy_trust = ::1', argv: ['-p', '80'] };
  t.same(plan(t, side, side), []);
});

t.test('what a change in the file takes', async (t) => {
  const changes = plan(
    t,
    { ini: 'limit_time_real = 5\nkeep_alive_timeout = 9\nhttp_port = 1' },
    { ini: 'limit_time_real = 6\nhttp_port = 2' },
  );
  t.same(changes, [
    { setting: 'http_port', from: 1, to: 2, takes: 'restart', place: 'tricorn.ini:4' },
    { setting: 'keep_alive_timeout', from: 9, to: 72, takes: 'reload', place: 'default' },
    { setting: 'limit_time_real', from: 5, to: 6, takes: 'live', place: 'tricorn.ini:3' },
  ]);
  t.same(showPlan(changes), [
    '  http_port: 1 -> 2 (tricorn.ini:4; restart; a reload keeps the old value)',
    '  keep_alive_timeout: 9 -> 72 (default; new workers)',
    '  limit_time_real: 5 -> 6 (tricorn.ini:3; live: `tricorn reload --live`, or new workers)',
  ]);
});

t.test('flags and environment of the server stay, and those of the check are not its own', async (t) => {
  const running = { argv: ['--backlog=7'], env: { TRICORN_BODY_LIMIT: '3' } };
  t.same(plan(t, running, { ini: 'backlog = 8\nbody_limit = 4' }), []);
  t.match(plan(t, running, { argv: ['--backlog=8', '--body-limit=4'] }), [
    { setting: 'backlog', takes: 'restart', place: '--backlog' },
    { setting: 'body_limit', from: 3, to: 4, takes: 'restart' },
  ]);
});

t.test('a default that follows from the terminal or the machine is no change', async (t) => {
  const reported = masked(load(t.testdir({ 'app.ts': '' }), { argv: ['app.ts'], stdoutIsTTY: true, parallelism: 2 }));
  t.same(planOf(reported, load(t.testdirName, { argv: ['app.ts'] })), []);
});

t.test('the [app] section takes new workers', async (t) => {
  const changes = plan(t, { ini: '[app]\ntitle = a' }, { ini: '[app]\ntitle = b' });
  t.match(changes, [{ setting: 'app_options', from: { title: 'a' }, to: { title: 'b' }, takes: 'reload' }]);
  t.same(showPlan(changes), ['  app_options ([app]; new workers)']);
});

t.test('secrets are masked before they leave the process', async (t) => {
  const row = settings.user as { secret?: boolean };
  row.secret = true;
  t.teardown(() => delete row.secret);
  const ini =
    'user = geheim\n[app]\npassword = geheim\ntitle = shop\n[app.db]\nurl = postgres://a:geheim@b/c\nname = x';
  const reported = masked(loadSide(t, { ini }));
  t.notMatch(JSON.stringify(reported), /geheim/);
  t.match(reported, {
    config: { user: mask, group: '' },
    app_options: { password: mask, title: 'shop', db: { url: mask, name: 'x' } },
  });
});

t.test('a server of another version may lack a setting', async (t) => {
  const reported = JSON.parse(JSON.stringify(masked(loadSide(t, {})))) as {
    config: Record<string, unknown>;
    origins: Record<string, unknown>;
  };
  delete reported.config['backlog'];
  delete reported.origins['backlog'];
  t.same(planOf(reported as unknown as ReturnType<typeof masked>, loadSide(t, { ini: 'backlog = 3' })), []);
});
