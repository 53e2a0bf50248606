/**
 * The error catalogue: every error that Tricorn itself raises, with a stable code that users may match, search and
 * document. docs/errors.md is generated from it (`npm run docs`), a test holds both equal.
 *
 * `exit` is the exit code of the process that the error ends, `status` the HTTP status of the answer it becomes.
 */
import { util } from './builtins.ts';
import type { Logger } from './log/supervisor-log.ts';

export interface Entry {
  readonly exit?: number;
  readonly status?: number;
  /** What was seen. `{name}` is filled in from the values given to TricornError. */
  readonly message: string;
  /** What to do. */
  readonly hint: string;
}

export type ErrorCode =
  | 'TRC_CONFIG'
  | 'TRC_PORT_IN_USE'
  | 'TRC_PORT_DENIED'
  | 'TRC_ADDRESS'
  | 'TRC_SOCKET'
  | 'TRC_ACTIVATION'
  | 'TRC_NO_LISTENER'
  | 'TRC_USER'
  | 'TRC_PIDFILE'
  | 'TRC_CONTROL_SOCKET'
  | 'TRC_USAGE'
  | 'TRC_NO_SERVER'
  | 'TRC_UPGRADE'
  | 'TRC_LOGFILE'
  | 'TRC_APP_LOAD'
  | 'TRC_APP_FORM'
  | 'TRC_APP_LISTENS'
  | 'TRC_APP_FORKS'
  | 'TRC_APP_BOOT'
  | 'TRC_BOOT_TIMEOUT'
  | 'TRC_JOBS'
  | 'TRC_STORE'
  | 'TRC_JOB_UNKNOWN'
  | 'TRC_REQUEST_TIME'
  | 'TRC_BODY_LIMIT'
  | 'TRC_UNCAUGHT'
  | 'TRC_OVERLOADED'
  | 'TRC_POISON'
  | 'TRC_CANARY'
  | 'TRC_SUPERSEDED'
  | 'TRC_CRASH_LOOP'
  | 'TRC_INTERNAL';

export const catalogue: Readonly<Record<ErrorCode, Entry>> = {
  TRC_CONFIG: {
    exit: 2,
    message: '{count} in the configuration:\n{problems}',
    hint: 'docs/settings.md lists every setting; `tricorn --print-config` shows which value comes from where.',
  },
  TRC_PORT_IN_USE: {
    exit: 4,
    message: '{address} is in use by another process',
    hint: 'Stop that process (`ss -ltnp` names it) or choose another port with --http-port, --evented-port or --health-port.',
  },
  TRC_PORT_DENIED: {
    exit: 4,
    message: 'no permission to listen on {address}',
    hint: 'Ports under 1024 need root or CAP_NET_BIND_SERVICE; choose another one with --http-port.',
  },
  TRC_ADDRESS: {
    exit: 4,
    message: 'cannot listen on {address}: {reason}',
    hint: 'Give an address of this machine with --http-interface or --health-interface (0.0.0.0 and :: mean all of them).',
  },
  TRC_SOCKET: {
    exit: 4,
    message: 'http_socket {path}: {reason}',
    hint: 'Mend what is said above, or choose another path with --http-socket.',
  },
  TRC_ACTIVATION: {
    exit: 4,
    message: 'what LISTEN_FDS has passed, {what}, {reason}',
    hint: 'Have the socket unit pass listening stream sockets only (ListenStream=, Accept=no), see docs/systemd.md; or unset LISTEN_FDS.',
  },
  TRC_NO_LISTENER: {
    exit: 2,
    message:
      'there is nothing to listen on: http_interface is none, there is no http_socket, and LISTEN_FDS has passed no socket',
    hint: 'Give one of them, or turn the server off with --no-http.',
  },
  TRC_USER: {
    exit: 4,
    message: '{what}: {reason}',
    hint: 'Start Tricorn as root with the name or number of a user and group of this machine, or start it as that user without --user and --group.',
  },
  TRC_PIDFILE: {
    exit: 4,
    message: 'pidfile {path}: {reason}',
    hint: 'Mend what is said above, or choose another file with --pidfile.',
  },
  TRC_CONTROL_SOCKET: {
    exit: 4,
    message: 'control_socket {path}: {reason}',
    hint: 'Mend what is said above, choose another path with --control-socket, or do without by --control-socket=none.',
  },
  TRC_USAGE: {
    exit: 2,
    message: '{command}: {problems}',
    hint: '`tricorn COMMAND --help` tells what it takes.',
  },
  TRC_NO_SERVER: {
    exit: 5,
    message: '{reason}',
    hint: 'Name the server with -c FILE, --pidfile=FILE or --control-socket=PATH, see docs/control.md.',
  },
  TRC_UPGRADE: {
    exit: 4,
    message: 'upgrade: {reason}',
    hint: 'The lines of the new process before this one, or on standard error, say why. Mend it and send USR2 once more, see docs/reload.md.',
  },
  TRC_LOGFILE: {
    exit: 4,
    message: 'logfile {path}: {reason}',
    hint: 'Give a file that this user may create and write with --logfile.',
  },
  TRC_APP_LOAD: {
    exit: 3,
    message: 'the app {app} failed to load',
    hint: 'A stack that comes with this is the app’s own. `tricorn check` repeats this without serving.',
  },
  TRC_APP_FORM: {
    exit: 3,
    message: 'the app {app} exports {seen}, which is no form of app that Tricorn knows',
    hint: 'Export as default a Fastify plugin or instance, an Express, Connect, Koa or Polka app, an object with fetch(request), or what defineApp() returns; or export a node request listener as `handler`.',
  },
  TRC_APP_LISTENS: {
    exit: 3,
    message: 'the app {app} called listen() itself',
    hint: 'Tricorn owns the socket: export the app without calling listen(). Another server beside it, as for metrics, belongs into onStart.',
  },
  TRC_APP_FORKS: {
    exit: 3,
    message: 'the app {app} called cluster.fork()',
    hint: 'Tricorn starts the processes: export the app without node:cluster, and say how many with --workers.',
  },
  TRC_APP_BOOT: {
    exit: 3,
    message: 'the app {app} failed to boot',
    hint: 'A stack that comes with this is the app’s own. `tricorn check` repeats this without serving.',
  },
  TRC_BOOT_TIMEOUT: {
    exit: 3,
    message: 'the app {app} was not ready within boot_timeout = {seconds} s',
    hint: 'Look for an await in a plugin or in onStart that never ends, or raise --boot-timeout.',
  },
  TRC_JOBS: {
    exit: 3,
    message: '{count} in the jobs of the app {app}:\n{problems}',
    hint: 'docs/cron.md tells what a job may have. `tricorn check` repeats this without serving.',
  },
  TRC_STORE: {
    exit: 4,
    message: 'the store of the jobs, {place}: {reason}',
    hint: 'A server serves on without it and tries it again; a command does not. docs/cron.md tells about data_dir and db_url.',
  },
  TRC_JOB_UNKNOWN: {
    exit: 2,
    message: 'there is no job {name}{question}',
    hint: '`tricorn jobs` shows all of them; a new one is known once a cron worker has started with it.',
  },
  TRC_REQUEST_TIME: {
    status: 503,
    message: 'the request has taken {seconds} s, longer than it may',
    hint: 'The log names the request. Find out what it waits for, or raise --limit-time-real.',
  },
  TRC_BODY_LIMIT: {
    status: 413,
    message: 'the request body is too large: body_limit is {limit} bytes',
    hint: 'Send less, or have the operator raise --body-limit (0 = no limit).',
  },
  TRC_UNCAUGHT: {
    status: 500,
    message: 'the code of this request threw an error that nobody caught',
    hint: 'The log has the error with its stack. Catch it, or await the promise that was rejected.',
  },
  TRC_OVERLOADED: {
    status: 503,
    message: 'too many requests at the same time: {reason}',
    hint: 'Try again after the seconds in Retry-After; the operator may raise --max-inflight, --max-queue or the workers.',
  },
  TRC_POISON: {
    status: 503,
    message: '{route} has blocked event loops until they were killed, and is refused for a minute',
    hint: 'The log has the stack of each kill (`is stuck and is killed`); --poison-threshold=0 refuses nothing.',
  },
  TRC_CANARY: {
    exit: 3,
    message: 'the canary failed: {reason}',
    hint: 'The lines before have the figures, or what has ended. Reload again once the code is mended, or with canary empty to take it as it is.',
  },
  TRC_SUPERSEDED: {
    exit: 3,
    message: 'it had not booted when a newer change came',
    hint: 'The reload for that change begins now.',
  },
  TRC_CRASH_LOOP: {
    exit: 3,
    message: 'crash loop: {starts} starts in a row failed, and no worker is ready',
    hint: 'The lines before say why each of them failed. With --exit-on-crash-loop it exits now; without, the port is kept, new connections wait, and it goes on trying, up to 30 s apart.',
  },
  TRC_INTERNAL: {
    exit: 1,
    message: 'an error of Tricorn itself',
    hint: 'Please report it with the stack.',
  },
};

type Values = Readonly<Record<string, string | number>>;

/** An error of the catalogue. `message` is filled in, `hint` says what to do, `cause` keeps what was underneath. */
export class TricornError extends Error {
  override readonly name = 'TricornError';
  readonly code: ErrorCode;
  readonly hint: string;
  /** The exit code of a process that ends with this error; 1 where the catalogue names none. */
  readonly exitCode: number;

  constructor(code: ErrorCode, values: Values = {}, options?: ErrorOptions) {
    const entry: Entry = catalogue[code];
    super(fillIn(entry.message, values), options);
    this.code = code;
    this.hint = entry.hint;
    this.exitCode = entry.exit ?? 1;
  }
}

/** An error as it crosses from a worker to the supervisor, with all that its reader needs. */
export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
  /** The stack of the cause, and of its causes: where the user has to look. '' where it would tell nothing. */
  readonly stack: string;
}

/** An error that came from a thread or process as a WireError and is thrown on. */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';
  readonly wire: WireError;

  constructor(wire: WireError) {
    super(wire.message);
    this.wire = wire;
  }
}

export function toWireError(error: unknown): WireError {
  if (error instanceof RemoteError) return error.wire;
  if (error instanceof TricornError) {
    const { code, message, hint, exitCode, cause } = error;
    // Address and configuration errors say all in their message.
    const stack = exitCode === 3 && cause !== undefined ? stackOf(cause) : '';
    return { code, message, hint, exitCode, stack };
  }
  const { code, message, hint, exitCode } = new TricornError('TRC_INTERNAL');
  return { code, message, hint, exitCode, stack: stackOf(error) };
}

/** Logs an error of the catalogue: what, what to do, and where. @param level `error` where the service goes on as it was */
export function logError(
  log: Logger,
  { code, message, hint, stack }: WireError,
  prefix = '',
  level: 'fatal' | 'error' = 'fatal',
): void {
  const stop = /[.?!]$/.test(message) ? '' : '.';
  log[level]({ code, ...(stack === '' ? {} : { stack }) }, `${prefix}${message}${stop} ${hint}`);
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return `thrown: ${util.inspect(error)}`;
  const own = error.stack ?? String(error);
  return error.cause === undefined ? own : `${own}\nCaused by: ${stackOf(error.cause)}`;
}

function fillIn(template: string, values: Values): string {
  return template.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new TypeError(`no value for {${name}} in: ${template}`);
    return String(value);
  });
}
