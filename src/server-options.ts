/** What a server of a generation is given, and what its mode says of it. Types alone. */
import type { CommonServer } from './common-server.ts';
import type { Config, LoadedConfig } from './config/config.ts';
import type { Logger } from './log/supervisor-log.ts';

export type Mode = 'prefork' | 'threaded' | 'evented';

/** Which workers a mode wants. */
export interface Population {
  readonly workers: number;
  /** Threads in each worker; 0 = the app runs in the worker's main thread. */
  readonly threads: number;
}

export interface ServerOptions {
  readonly log: Logger;
  /** Boot the app in one worker that serves nothing, then stop: `tricorn check`. Default false. */
  readonly check?: boolean;
  /** Milliseconds that only ever grow. Default performance.now. */
  readonly clock?: () => number;
  /** Reads the configuration anew, for a reload. Default: it stays as it is. @throws TricornError TRC_CONFIG */
  readonly reread?: () => LoadedConfig;
  /** Another log_level after a reload. Default: it stays as it is. */
  readonly setLogLevel?: (level: Config['log_level']) => void;
  /** Makes the server of another generation, maybe of another mode. Default: one of the same class. */
  readonly select?: (loaded: LoadedConfig, options: ServerOptions) => Promise<CommonServer>;
  /** Only for the server of another generation: the one that it is to take over from. */
  readonly successorOf?: CommonServer;
}
