/**
 * The one table of settings. Flags, ini keys, environment variables, validation, `--help`, `--print-config` and
 * docs/settings.md are all made from it: a new setting is a row here and its type in config.ts.
 */
import type { Config } from './config.ts';

export type SettingKey = keyof Config;

/** What the defaults that are not constants depend on. */
export interface Facts {
  /** os.availableParallelism() */
  readonly parallelism: number;
  readonly stdoutIsTTY: boolean;
  /** Absolute: the service manager's folder for what must last, else `.tricorn` beside the ini. */
  readonly stateDirectory: string;
}

/**
 * How a value is written and checked:
 * - `count`: an integer, or `auto` = available parallelism
 * - `duration`: seconds with fractions, or `500ms`, `30s`, `2m`, `1h`; kept in seconds
 * - `size`: bytes, or `512KiB`, `1MiB`, `2GiB` (also k, m, g); kept in bytes
 * - `path`: made absolute: from the ini file's folder if it stands there, else from the working directory
 * - `list`: separated by commas or blanks; a repeated flag or `key[]` in the ini adds to it
 */
type SettingType = 'string' | 'path' | 'boolean' | 'integer' | 'count' | 'duration' | 'size' | 'enum' | 'list';

/** What a change needs: new workers (`reload`), no more than to be told to those that run (`live`), or a new supervisor. */
type Reloadable = 'live' | 'reload' | 'restart';

export type Group =
  | 'App and mode'
  | 'HTTP'
  | 'Timeouts and limits'
  | 'Supervision'
  | 'Jobs'
  | 'Proxy'
  | 'Logging'
  | 'Process'
  | 'Development';

/** A value's form beyond its type: see formats.ts. */
export type Format = 'host' | 'interface' | 'trust' | 'mode' | 'postgres' | 'canary';

export interface Setting<V = unknown> {
  readonly type: SettingType;
  readonly group: Group;
  /** A constant, or a function of the machine and of the settings that have no such function. */
  readonly default: V | ((facts: Facts, config: Config) => V);
  /** The default in words, where the value does not speak for itself. */
  readonly defaultText?: string;
  /** One line, without a full stop. */
  readonly doc: string;
  readonly reloadable: Reloadable;
  readonly min?: number;
  readonly max?: number;
  readonly values?: readonly string[];
  readonly format?: Format;
  /** Without dashes; default: the key with dashes. `null`: no flag. */
  readonly flag?: string | null;
  readonly short?: string;
  /** What stands for the value in --help, such as PORT. */
  readonly placeholder?: string;
  /** Old names, accepted with a warning. */
  readonly aliases?: readonly string[];
  /** What other servers call it, short flags included: not accepted, but answered by this name. */
  readonly elsewhere?: readonly string[];
  /** The value must be an existing file, with one of these endings unless the list is empty. */
  readonly file?: { readonly endings: readonly string[] };
  /** Of a path: what is a word and no file. */
  readonly words?: readonly string[];
  /** Masked wherever it would be shown. */
  readonly secret?: boolean;
  /** Why a value that was given has no effect, if it has none. */
  readonly unusedWhen?: (config: Config) => string | undefined;
}

/** The http_interface that means no TCP at all. */
export const NO_INTERFACE = 'none';

/** The control_socket that means that there is none. */
export const NO_CONTROL = 'none';

const dayInSeconds = 86_400;
const scripts: readonly string[] = ['.ts', '.mts', '.js', '.mjs', '.cjs'];

const nothingWaits = ({ max_inflight }: Config): string | undefined => {
  return max_inflight === 0 ? 'max_inflight is 0, so nothing waits' : undefined;
};

export const settings: { readonly [K in SettingKey]: Setting<Config[K]> } = {
  app: {
    type: 'path',
    group: 'App and mode',
    default: '',
    defaultText: 'none',
    doc: 'The app module, usually given as the argument: tricorn app.ts',
    reloadable: 'reload',
    flag: null,
    file: { endings: scripts },
  },
  workers: {
    type: 'count',
    group: 'App and mode',
    default: 0,
    min: 0,
    max: 1024,
    doc: 'Prefork mode with this many worker processes; 0 = threaded mode',
    reloadable: 'live',
    short: 'w',
    elsewhere: ['instances', 'processes', 'i'],
  },
  threads: {
    type: 'count',
    group: 'App and mode',
    default: (facts) => facts.parallelism,
    defaultText: 'auto',
    min: 1,
    max: 1024,
    doc: 'Threads of the threaded mode',
    reloadable: 'live',
    unusedWhen: (config) => {
      if (config.evented) return 'the evented mode has one event loop';
      return config.workers > 0 ? 'prefork workers have no threads' : undefined;
    },
    elsewhere: ['worker_threads'],
  },
  evented: {
    type: 'boolean',
    group: 'App and mode',
    default: false,
    doc: 'Evented mode: one worker process with one event loop',
    reloadable: 'reload',
  },
  http_enable: {
    type: 'boolean',
    group: 'HTTP',
    default: true,
    doc: 'Serve HTTP',
    reloadable: 'restart',
    flag: 'http',
  },
  http_interface: {
    type: 'string',
    group: 'HTTP',
    default: '0.0.0.0',
    doc: 'Address to listen on: IPv4, IPv6 or a host name; none = only on http_socket',
    reloadable: 'restart',
    placeholder: 'HOST',
    format: 'interface',
    aliases: ['xmlrpc_interface'],
    elsewhere: ['host', 'hostname', 'address', 'interface', 'listen', 'bind', 'b'],
  },
  http_port: {
    type: 'integer',
    group: 'HTTP',
    default: 8069,
    min: 0,
    max: 65_535,
    doc: 'Port to listen on; 0 = any free one, printed at start',
    reloadable: 'restart',
    placeholder: 'PORT',
    short: 'p',
    aliases: ['xmlrpc_port'],
    elsewhere: ['port', 'listen', 'bind', 'b'],
    unusedWhen: (config) => (config.http_interface === NO_INTERFACE ? 'http_interface is none' : undefined),
  },
  evented_port: {
    type: 'integer',
    group: 'HTTP',
    default: 0,
    min: 0,
    max: 65_535,
    doc: 'Port of an evented worker beside the others, for websockets, event streams and long polling; 0 = none',
    reloadable: 'restart',
    placeholder: 'PORT',
    aliases: ['gevent_port', 'longpolling_port'],
    unusedWhen: (config) => (config.http_enable ? undefined : 'http_enable is false'),
  },
  http_socket: {
    type: 'path',
    group: 'HTTP',
    default: '',
    defaultText: 'none',
    doc: 'Listen on this unix socket, too',
    reloadable: 'restart',
  },
  http_socket_mode: {
    type: 'string',
    group: 'HTTP',
    default: '0660',
    doc: 'Permissions of http_socket',
    reloadable: 'restart',
    placeholder: 'MODE',
    format: 'mode',
    unusedWhen: (config) => (config.http_socket === '' ? 'there is no http_socket' : undefined),
  },
  health_interface: {
    type: 'string',
    group: 'HTTP',
    default: '127.0.0.1',
    doc: 'Address of health_port: IPv4, IPv6 or a host name; 0.0.0.0 for probes from outside, as those of Kubernetes',
    reloadable: 'restart',
    placeholder: 'HOST',
    format: 'host',
  },
  health_port: {
    type: 'integer',
    group: 'HTTP',
    default: 0,
    min: 0,
    max: 65_535,
    doc: 'Port on which the supervisor answers probes, /livez and /readyz; 0 = none, where http_port takes any free one',
    reloadable: 'restart',
    placeholder: 'PORT',
    elsewhere: ['health_check_port', 'healthcheck_port', 'probe_port', 'management_port'],
  },
  backlog: {
    type: 'integer',
    group: 'HTTP',
    default: 511,
    min: 1,
    max: 65_535,
    doc: 'Connections that may wait to be accepted; the kernel caps it at net.core.somaxconn',
    reloadable: 'reload',
  },
  graceful_timeout: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: (_facts, config) => (config.dev === 'reload' ? 5 : 30),
    defaultText: '30 s; 5 s with dev = reload',
    min: 0,
    max: dayInSeconds,
    doc: 'How long requests in flight may take to finish when a worker stops',
    reloadable: 'reload',
    elsewhere: ['shutdown_timeout', 'kill_timeout'],
  },
  drain_delay: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: 0,
    min: 0,
    max: dayInSeconds,
    doc: 'How long a stop serves on before it drains, so that load balancers notice',
    reloadable: 'reload',
    elsewhere: ['shutdown_delay', 'pre_stop_delay'],
  },
  ws_drain_spread: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: 5,
    min: 0,
    max: dayInSeconds,
    doc: 'Over how long a worker that stops spreads the closing of its websockets; within graceful_timeout',
    reloadable: 'reload',
  },
  boot_timeout: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: 60,
    min: 0.01,
    max: dayInSeconds,
    doc: 'How long the app may take from start to ready',
    reloadable: 'reload',
    elsewhere: ['worker_boot_timeout', 'listen_timeout'],
  },
  keep_alive_timeout: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: 72,
    min: 0.01,
    max: dayInSeconds,
    doc: "How long an idle connection is kept; longer than the load balancer's own",
    reloadable: 'reload',
    elsewhere: ['keep_alive', 'persistent_timeout'],
  },
  headers_timeout: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: (_facts, config) => (config.request_timeout === 0 ? 60 : Math.min(60, config.request_timeout)),
    defaultText: '60 s, at most request_timeout',
    min: 0,
    max: dayInSeconds,
    doc: "How long a request's headers may take to arrive; 0 = no limit",
    reloadable: 'reload',
  },
  request_timeout: {
    type: 'duration',
    group: 'Timeouts and limits',
    default: 300,
    min: 0,
    max: dayInSeconds,
    doc: 'How long a whole request may take to arrive; 0 = no limit',
    reloadable: 'reload',
  },
  body_limit: {
    type: 'size',
    group: 'Timeouts and limits',
    default: 1_048_576,
    min: 0,
    doc: 'Largest request body; 0 = no limit',
    reloadable: 'reload',
    elsewhere: ['max_body_size', 'client_max_body_size'],
  },
  limit_request: {
    type: 'integer',
    group: 'Supervision',
    default: 0,
    min: 0,
    doc: 'Requests after which a worker (or thread) is recycled; 0 = no limit',
    reloadable: 'live',
    elsewhere: ['max_requests'],
  },
  limit_request_jitter: {
    type: 'integer',
    group: 'Supervision',
    default: 10,
    min: 0,
    max: 1000,
    doc: 'Percent by which limit_request and limit_time_worker are raised at random',
    reloadable: 'live',
    elsewhere: ['max_requests_jitter'],
  },
  limit_memory_soft: {
    type: 'size',
    group: 'Supervision',
    default: 2048 * 1_048_576,
    min: 0,
    doc: 'Memory (RSS) over which a worker is recycled, and a share of it for each thread; 0 = no limit',
    reloadable: 'live',
    elsewhere: ['max_memory_restart'],
  },
  limit_memory_hard: {
    type: 'size',
    group: 'Supervision',
    default: 2560 * 1_048_576,
    min: 0,
    doc: 'Memory (RSS) over which a worker is killed at once; 0 = no limit',
    reloadable: 'live',
  },
  limit_memory_soft_evented: {
    type: 'size',
    group: 'Supervision',
    default: 2048 * 1_048_576,
    min: 0,
    doc: 'Memory (RSS) over which the evented worker is recycled; 0 = no limit',
    reloadable: 'live',
  },
  limit_memory_hard_evented: {
    type: 'size',
    group: 'Supervision',
    default: 2560 * 1_048_576,
    min: 0,
    doc: 'Memory (RSS) over which the evented worker is killed at once; 0 = no limit',
    reloadable: 'live',
  },
  limit_time_worker: {
    type: 'duration',
    group: 'Supervision',
    default: 0,
    min: 0,
    doc: 'Age at which a worker (or thread) is recycled; 0 = no limit',
    reloadable: 'live',
  },
  limit_time_cpu: {
    type: 'duration',
    group: 'Supervision',
    default: 60,
    min: 0,
    max: dayInSeconds,
    doc: 'CPU time that may pass without a turn of the event loop before it is killed; 0 = no limit',
    reloadable: 'live',
  },
  limit_time_real: {
    type: 'duration',
    group: 'Supervision',
    default: 120,
    min: 0,
    max: dayInSeconds,
    doc: 'Time that a request may take, or the event loop may be silent for whatever reason; 0 = no limit',
    reloadable: 'live',
    elsewhere: ['timeout', 'worker_timeout'],
  },
  limit_time_real_cron: {
    type: 'duration',
    group: 'Supervision',
    default: -1,
    min: -1,
    max: dayInSeconds,
    doc: 'The same for cron workers; -1 = limit_time_real, 0 = no limit',
    reloadable: 'live',
  },
  max_inflight: {
    type: 'integer',
    group: 'Supervision',
    default: 0,
    min: 0,
    doc: 'Requests that an event loop runs at the same time, the others wait; 0 = no limit',
    reloadable: 'live',
  },
  max_queue: {
    type: 'integer',
    group: 'Supervision',
    default: 0,
    min: 0,
    doc: 'Requests that may wait in an event loop, more are answered 503; 0 = no limit',
    reloadable: 'live',
    unusedWhen: nothingWaits,
  },
  max_queue_age: {
    type: 'duration',
    group: 'Supervision',
    default: 0,
    min: 0,
    max: dayInSeconds,
    doc: 'How long a request may wait before it is answered 503; 0 = no limit',
    reloadable: 'live',
    unusedWhen: nothingWaits,
  },
  reload_strategy: {
    type: 'enum',
    group: 'Supervision',
    default: 'surge',
    values: ['surge', 'rolling'],
    doc: 'How a reload replaces workers: surge = all at once, rolling = one after the other',
    reloadable: 'reload',
    placeholder: 'STRATEGY',
  },
  canary: {
    type: 'string',
    group: 'Supervision',
    default: '',
    defaultText: 'none',
    doc: 'Share of the workers that a reload gives the new code first, and for how long, before it is judged',
    reloadable: 'reload',
    placeholder: 'SHARE,TIME',
    format: 'canary',
  },
  poison_threshold: {
    type: 'integer',
    group: 'Supervision',
    default: 3,
    min: 0,
    doc: 'Kills of event loops within a minute after which the route that led to them is answered 503 for a minute; 0 = off',
    reloadable: 'live',
  },
  crash_loop_limit: {
    type: 'integer',
    group: 'Supervision',
    default: 10,
    min: 0,
    doc: 'Failed starts in a row, with no worker ready, that are a crash loop; 0 = never',
    reloadable: 'reload',
  },
  exit_on_crash_loop: {
    type: 'boolean',
    group: 'Supervision',
    default: false,
    doc: 'Exit with code 3 in a crash loop instead of trying on',
    reloadable: 'reload',
    unusedWhen: (config) => (config.crash_loop_limit > 0 ? undefined : 'crash_loop_limit is 0'),
  },
  max_cron_threads: {
    type: 'integer',
    group: 'Jobs',
    default: 2,
    min: 0,
    max: 1024,
    doc: 'Cron workers, where the app has jobs (docs/cron.md); 0 = run no jobs here',
    reloadable: 'live',
  },
  limit_time_worker_cron: {
    type: 'duration',
    group: 'Jobs',
    default: 0,
    min: 0,
    doc: 'Age at which a cron worker is recycled; 0 = no limit',
    reloadable: 'live',
  },
  data_dir: {
    type: 'path',
    group: 'Jobs',
    default: (facts) => facts.stateDirectory,
    defaultText: '$STATE_DIRECTORY, else .tricorn beside the ini or in the working directory',
    doc: 'Folder of what must outlive the service: the jobs, unless there is a db_url',
    reloadable: 'reload',
  },
  db_url: {
    type: 'string',
    group: 'Jobs',
    default: '',
    defaultText: 'none',
    doc: 'PostgreSQL where several machines share the jobs: postgres://user:password@host/database',
    reloadable: 'reload',
    placeholder: 'URL',
    format: 'postgres',
    secret: true,
    elsewhere: ['database_url'],
  },
  cron_history: {
    type: 'integer',
    group: 'Jobs',
    default: 100,
    min: 1,
    max: 100_000,
    doc: 'Runs of each job that its history keeps',
    reloadable: 'reload',
  },
  cron_failure_limit: {
    type: 'integer',
    group: 'Jobs',
    default: 5,
    min: 0,
    doc: 'Failures in a row, over more than cron_failure_days, at which a job is deactivated; 0 = never',
    reloadable: 'reload',
  },
  cron_failure_days: {
    type: 'integer',
    group: 'Jobs',
    default: 7,
    min: 0,
    max: 3650,
    doc: 'Days since the first of the failures that must have passed before a job is deactivated',
    reloadable: 'reload',
    unusedWhen: (config) => (config.cron_failure_limit > 0 ? undefined : 'cron_failure_limit is 0'),
  },
  proxy_mode: {
    type: 'boolean',
    group: 'Proxy',
    default: false,
    doc: 'Believe Forwarded and X-Forwarded-* from the proxies in proxy_trust',
    reloadable: 'reload',
    elsewhere: ['trust_proxy'],
  },
  proxy_trust: {
    type: 'list',
    group: 'Proxy',
    default: ['loopback'],
    doc: 'Proxies: addresses, CIDR ranges, loopback, linklocal, uniquelocal',
    reloadable: 'reload',
    placeholder: 'ADDRESS,...',
    format: 'trust',
    unusedWhen: (config) => (config.proxy_mode ? undefined : 'proxy_mode is off'),
    elsewhere: ['trust_proxy', 'forwarded_allow_ips'],
  },
  logfile: {
    type: 'path',
    group: 'Logging',
    default: '',
    defaultText: 'standard output',
    doc: 'Log to this file; reopened when it was renamed away',
    reloadable: 'restart',
    elsewhere: ['log', 'log_file', 'error_logfile', 'output'],
  },
  log_level: {
    type: 'enum',
    group: 'Logging',
    default: 'info',
    values: ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'],
    doc: 'Least severe level that is logged',
    reloadable: 'live',
    placeholder: 'LEVEL',
  },
  log_format: {
    type: 'enum',
    group: 'Logging',
    default: (facts, config) => (facts.stdoutIsTTY && config.logfile === '' ? 'text' : 'json'),
    defaultText: 'text on a terminal, else json',
    values: ['text', 'json'],
    doc: 'Form of the log lines',
    reloadable: 'restart',
    placeholder: 'FORMAT',
  },
  access_log: {
    type: 'boolean',
    group: 'Logging',
    default: true,
    doc: 'Log every request',
    reloadable: 'reload',
    elsewhere: ['access_logfile'],
  },
  pidfile: {
    type: 'path',
    group: 'Process',
    default: '',
    defaultText: 'none',
    doc: "Write the supervisor's process id to this file",
    reloadable: 'restart',
    elsewhere: ['pid', 'pid_file'],
  },
  control_socket: {
    type: 'path',
    group: 'Process',
    default: '',
    defaultText: 'by pid, in the runtime directory',
    doc: 'Unix socket that `tricorn status`, `reload` and so on talk to (docs/control.md); none = no such socket',
    reloadable: 'restart',
    words: [NO_CONTROL],
    elsewhere: ['control', 'control_url'],
  },
  user: {
    type: 'string',
    group: 'Process',
    default: '',
    defaultText: 'who starts it',
    doc: 'Run the workers as this user, by name or number; the supervisor stays root',
    reloadable: 'restart',
    placeholder: 'NAME',
    elsewhere: ['uid', 'u'],
  },
  group: {
    type: 'string',
    group: 'Process',
    default: '',
    defaultText: 'that of the user',
    doc: 'Run the workers as this group, by name or number',
    reloadable: 'restart',
    placeholder: 'NAME',
    elsewhere: ['gid', 'g'],
  },
  stop_after_init: {
    type: 'boolean',
    group: 'Process',
    default: false,
    doc: 'Boot everything, run the hooks, then exit',
    reloadable: 'restart',
  },
  test_file: {
    type: 'path',
    group: 'Process',
    default: '',
    defaultText: 'none',
    doc: 'Once ready, run this file with `node --test`; TRICORN_URL is the address',
    reloadable: 'restart',
    file: { endings: scripts },
  },
  dev: {
    type: 'enum',
    group: 'Development',
    default: 'none',
    values: ['none', 'reload'],
    doc: "For development: reload = reload whenever a file in the app's folder has changed",
    reloadable: 'restart',
    placeholder: 'WHAT',
    elsewhere: ['watch', 'reload'],
  },
  watch_ignore: {
    type: 'list',
    group: 'Development',
    default: [],
    defaultText: 'none',
    doc: 'Files and folders that are not watched: names or globs at any depth (*.db), or with a slash paths from the watched folder (public/uploads)',
    reloadable: 'restart',
    placeholder: 'GLOB,...',
    unusedWhen: (config) => (config.dev === 'reload' ? undefined : 'dev is none'),
    elsewhere: ['ignore_watch', 'ignore'],
  },
};

export const settingKeys: readonly SettingKey[] = Object.keys(settings) as SettingKey[];

/** By every name that is accepted, old ones included. */
const byName: ReadonlyMap<string, SettingKey> = new Map(
  settingKeys.flatMap((key) => [key, ...(settings[key].aliases ?? [])].map((name) => [name, key])),
);

/** The setting that `name`, an ini key, means; old names included. */
export function settingNamed(name: string): SettingKey | undefined {
  return byName.get(name);
}

/** The settings that other servers call so, whether it is written with `-` or `_`. */
export function settingsCalled(name: string): SettingKey[] {
  const plain = name.replaceAll('-', '_');
  return settingKeys.filter((key) => (settings[key] as Setting).elsewhere?.includes(plain));
}

/** The flag of a setting without its dashes; undefined where it has none. */
export function flagOf(key: SettingKey): string | undefined {
  const { flag } = settings[key];
  return flag === undefined ? dashed(key) : (flag ?? undefined);
}

/** `http_port` -> `http-port` */
export function dashed(name: string): string {
  return name.replaceAll('_', '-');
}

/** `http_port` -> `TRICORN_HTTP_PORT` */
export function variableOf(name: string): string {
  return `TRICORN_${name.toUpperCase()}`;
}
