import { join } from 'node:path';
import t from 'tap';
import {
  dashed,
  flagOf,
  type Setting,
  settingKeys,
  settingNamed,
  settings,
  settingsCalled,
  variableOf,
} from '../../../src/config/settings.ts';
import { load } from './support.ts';

t.test('the defaults are those of the manual', async (t) => {
  const folder = t.testdir();
  const { config } = load(folder, { needsApp: false });
  t.same(config, {
    app: '',
    workers: 0,
    threads: 8,
    evented: false,
    http_interface: '0.0.0.0',
    http_port: 8069,
    http_enable: true,
    evented_port: 0,
    http_socket: '',
    http_socket_mode: '0660',
    health_interface: '127.0.0.1',
    health_port: 0,
    backlog: 511,
    graceful_timeout: 30,
    drain_delay: 0,
    ws_drain_spread: 5,
    boot_timeout: 60,
    keep_alive_timeout: 72,
    headers_timeout: 60,
    request_timeout: 300,
    body_limit: 1024 * 1024,
    limit_request: 0,
    limit_request_jitter: 10,
    limit_memory_soft: 2048 * 1024 * 1024,
    limit_memory_hard: 2560 * 1024 * 1024,
    limit_memory_soft_evented: 2048 * 1024 * 1024,
    limit_memory_hard_evented: 2560 * 1024 * 1024,
    limit_time_worker: 0,
    limit_time_cpu: 60,
    limit_time_real: 120,
    limit_time_real_cron: -1,
    max_inflight: 0,
    max_queue: 0,
    max_queue_age: 0,
    reload_strategy: 'surge',
    canary: '',
    poison_threshold: 3,
    crash_loop_limit: 10,
    exit_on_crash_loop: false,
    max_cron_threads: 2,
    limit_time_worker_cron: 0,
    data_dir: join(folder, '.tricorn'),
    db_url: '',
    cron_history: 100,
    cron_failure_limit: 5,
    cron_failure_days: 7,
    proxy_mode: false,
    proxy_trust: ['loopback'],
    pidfile: '',
    control_socket: '',
    logfile: '',
    log_level: 'info',
    log_format: 'json',
    access_log: true,
    user: '',
    group: '',
    stop_after_init: false,
    test_file: '',
    dev: 'none',
    watch_ignore: [],
  });
});

t.test('data_dir: the service manager’s, else beside the ini, else in the working directory', async (t) => {
  const folder = t.testdir({ etc: { 'tricorn.ini': '' } });
  const dataDir = (argv: string[], env = {}): string => load(folder, { argv, env, needsApp: false }).config.data_dir;
  t.equal(dataDir([]), join(folder, '.tricorn'));
  t.equal(dataDir(['-c', 'etc/tricorn.ini']), join(folder, 'etc/.tricorn'));
  t.equal(dataDir([], { STATE_DIRECTORY: '/var/lib/app:/var/lib/other' }), '/var/lib/app');
  t.equal(dataDir(['--data-dir=jobs'], { STATE_DIRECTORY: '/var/lib/app' }), join(folder, 'jobs'));
});

t.test('a name leads to one setting only', async (t) => {
  const names = settingKeys.flatMap((key) => [key, ...(settings[key].aliases ?? [])]);
  t.equal(new Set(names).size, names.length);
  const flags = settingKeys.flatMap((key) => flagOf(key) ?? []);
  t.equal(new Set(flags).size, flags.length);
  const shorts = settingKeys.flatMap((key) => settings[key].short ?? []);
  t.equal(new Set([...shorts, 'c', 'h', 'V']).size, shorts.length + 3);
  for (const flag of flags) t.notMatch(flag, /^no-|^(config|help|version|print-config)$/);
});

t.test('what other servers call a setting is no name of ours', async (t) => {
  t.same(settingsCalled('port'), ['http_port']);
  t.same(settingsCalled('max-requests'), ['limit_request'], 'with dashes, too');
  t.same(settingsCalled('bind'), ['http_interface', 'http_port'], 'what is one there may be two here');
  t.same(settingsCalled('http_port'), []);
  for (const [key, { elsewhere = [] }] of Object.entries<Setting>(settings)) {
    for (const name of elsewhere) t.equal(settingNamed(name), undefined, `${key}: ${name}`);
  }
});

t.test('names are derived from the key', async (t) => {
  t.equal(flagOf('http_port'), 'http-port');
  t.equal(flagOf('http_enable'), 'http');
  t.equal(flagOf('app'), undefined);
  t.equal(variableOf('http_port'), 'TRICORN_HTTP_PORT');
  t.equal(dashed('a_b_c'), 'a-b-c');
  t.equal(settingNamed('xmlrpc_port'), 'http_port');
  t.equal(settingNamed('xmlrpc_interface'), 'http_interface');
  t.equal(settingNamed('constructor'), undefined);
});

t.test('each row is whole: one line of doc, limits that hold the default, values for an enum', async (t) => {
  for (const [key, row] of Object.entries<Setting>(settings)) {
    t.match(row.doc, /^[A-Z].*[^.]$/, key);
    t.equal(row.type === 'enum', row.values !== undefined, `${key}: values`);
    if (typeof row.default === 'number')
      t.ok(row.default >= (row.min ?? -Infinity) && row.default <= (row.max ?? Infinity), key);
    if (typeof row.default === 'function' || row.default === '') t.type(row.defaultText, 'string', key);
  }
});
