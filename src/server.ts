/**
 * `tricorn/server`: the servers themselves, for those who start Tricorn from a program of their own. The process that
 * calls run() becomes the supervisor: it must not import the app.
 */
export { CommonServer, type Population, type ServerOptions } from './common-server.ts';
export type { Config, LoadedConfig } from './config/config.ts';
export { loadConfig, type LoadInput } from './config/load.ts';
export { TricornError, type ErrorCode } from './errors.ts';
export { openSupervisorLog, type Logger, type SupervisorLog } from './log/supervisor-log.ts';
export { EventedServer } from './modes/evented.ts';
export { PreforkServer } from './modes/prefork.ts';
export { ThreadedServer } from './modes/threaded.ts';
