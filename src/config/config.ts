/** A setting's value and where it came from: precedence is default < file < environment < flag. */
export type Origin = 'default' | 'file' | 'environment' | 'flag';

/** The frozen configuration that supervisor and workers share. It crosses to workers as JSON. */
export interface Config {
  /** Absolute path of the app module. */
  readonly app: string;
  readonly workers: number;
  readonly threads: number;
  readonly evented: boolean;
  /** Or `none`. */
  readonly http_interface: string;
  readonly http_port: number;
  readonly http_enable: boolean;
  /** 0 = none. */
  readonly evented_port: number;
  /** Absolute path, or '' for none. */
  readonly http_socket: string;
  /** Octal text. */
  readonly http_socket_mode: string;
  readonly health_interface: string;
  /** 0 = none. */
  readonly health_port: number;
  readonly backlog: number;
  /** Seconds. */
  readonly graceful_timeout: number;
  /** Seconds. */
  readonly drain_delay: number;
  /** Seconds. */
  readonly ws_drain_spread: number;
  /** Seconds. */
  readonly boot_timeout: number;
  /** Seconds. */
  readonly keep_alive_timeout: number;
  /** Seconds. */
  readonly headers_timeout: number;
  /** Seconds. */
  readonly request_timeout: number;
  /** Bytes; 0 = no limit. */
  readonly body_limit: number;
  /** Requests; 0 = no limit. */
  readonly limit_request: number;
  /** Percent. */
  readonly limit_request_jitter: number;
  /** Bytes; 0 = no limit. */
  readonly limit_memory_soft: number;
  /** Bytes; 0 = no limit. */
  readonly limit_memory_hard: number;
  /** Bytes; 0 = no limit. */
  readonly limit_memory_soft_evented: number;
  /** Bytes; 0 = no limit. */
  readonly limit_memory_hard_evented: number;
  /** Seconds; 0 = no limit. */
  readonly limit_time_worker: number;
  /** Seconds of CPU time; 0 = no limit. */
  readonly limit_time_cpu: number;
  /** Seconds; 0 = no limit. */
  readonly limit_time_real: number;
  /** Seconds; 0 = no limit, -1 = limit_time_real. */
  readonly limit_time_real_cron: number;
  /** Requests; 0 = no limit. */
  readonly max_inflight: number;
  /** Requests; 0 = no limit. */
  readonly max_queue: number;
  /** Seconds; 0 = no limit. */
  readonly max_queue_age: number;
  /** Kills; 0 = off. */
  readonly poison_threshold: number;
  /** Failed starts in a row; 0 = off. */
  readonly crash_loop_limit: number;
  readonly exit_on_crash_loop: boolean;
  readonly max_cron_threads: number;
  /** Seconds; 0 = no limit. */
  readonly limit_time_worker_cron: number;
  /** Absolute path. */
  readonly data_dir: string;
  /** '' = none: SQLite in data_dir. */
  readonly db_url: string;
  /** Runs. */
  readonly cron_history: number;
  /** In a row; 0 = never. */
  readonly cron_failure_limit: number;
  readonly cron_failure_days: number;
  readonly proxy_mode: boolean;
  /** Addresses, CIDR ranges, or the names loopback, linklocal, uniquelocal. */
  readonly proxy_trust: readonly string[];
  /** Absolute path, or '' for none. */
  readonly pidfile: string;
  /** Absolute path, `none`, or '' for one by pid in the runtime directory. */
  readonly control_socket: string;
  /** Absolute path, or '' for standard output. */
  readonly logfile: string;
  readonly log_level: 'fatal' | 'error' | 'warn' | 'info' | 'debug' | 'trace' | 'silent';
  readonly log_format: 'text' | 'json';
  readonly access_log: boolean;
  /** '' = who starts it. */
  readonly user: string;
  /** '' = that of the user. */
  readonly group: string;
  readonly reload_strategy: 'surge' | 'rolling';
  /** `10%,30s`, or '' for none: see src/canary/share.ts. */
  readonly canary: string;
  readonly stop_after_init: boolean;
  /** Absolute path, or ''. */
  readonly test_file: string;
  readonly dev: 'none' | 'reload';
  /** Names, globs, or paths from the watched folder. */
  readonly watch_ignore: readonly string[];
}

/** Places are in words for people, such as `tricorn.ini:12` and `--http-port`. */
export interface Overridden {
  readonly setting: keyof Config;
  readonly place: string;
  readonly by: string;
}

/** What loading yields; `app_options` is the ini's [app] section, handed to the app untouched. */
export interface LoadedConfig {
  readonly config: Config;
  readonly app_options: Readonly<Record<string, unknown>>;
  /** Absolute: where the command was given. */
  readonly folder: string;
  /** By setting: where its value came from, and in words for people, such as `tricorn.ini:12` or `--http-port`. */
  readonly origins: Readonly<Record<keyof Config, { readonly origin: Origin; readonly place: string }>>;
  /** What the file says in vain, for a stronger source gives another value. */
  readonly overridden: readonly Overridden[];
  /** For the log, once there is one: deprecated names that were used. */
  readonly warnings: readonly string[];
}
