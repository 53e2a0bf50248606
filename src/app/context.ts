import type http from 'node:http';
import type pino from 'pino';
import type { Config } from '../config/config.ts';
import type { Address } from '../http/server.ts';
import type { Role } from './define-app.ts';

/** What a worker or thread knows about itself when it mounts the app. */
export interface MountContext {
  readonly config: Config;
  /** The [app] section of the ini. */
  readonly app_options: Readonly<Record<string, unknown>>;
  /** True for a setting that the operator gave, by file, environment or flag: it wins over what the app asks for. */
  explicit(key: keyof Config): boolean;
  readonly log: pino.Logger;
  readonly role: Role;
  /** From 1. */
  readonly worker: number;
  /** From 1; 0 in a worker without threads. */
  readonly thread: number;
  /** From 1. */
  readonly generation: number;
  /** Where the supervisor listens; null where it does not. */
  readonly address: Address;
}

/** A form's part of a mounted app: the server that answers requests, and the framework's own start and end. */
export interface FormMount {
  readonly server: http.Server;
  /** Resolves when requests may come. */
  ready(): Promise<void>;
  /** Ends what ready() began, after the last request. */
  close(): Promise<void>;
}

/** Tricorn's value where the operator gave it or the app gives none, else the app's. */
export function prefer<T>(context: MountContext, key: keyof Config, ours: T, apps: T | undefined): T {
  return context.explicit(key) ? ours : (apps ?? ours);
}
