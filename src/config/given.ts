/** What the readers of file, environment and flags hand to load.ts. */
import type { Origin } from './config.ts';
import type { SettingKey } from './settings.ts';

/** One value that was given for a setting, as it was written. */
export interface Given {
  readonly key: SettingKey;
  readonly raw: unknown;
  readonly origin: Exclude<Origin, 'default'>;
  /** Where, in words for people: `tricorn.ini:12`, `TRICORN_HTTP_PORT`, `--http-port`. */
  readonly place: string;
  /** Where and what, as a message begins: `tricorn.ini:12 http_port = x`, `--http-port=x`. */
  readonly shown: string;
  /** Absolute folder from which relative paths are resolved. */
  readonly base: string;
}

/** What one source yields; the mistakes of all sources are reported together. */
export interface Source {
  readonly given: readonly Given[];
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
}

export function oldName(place: string, name: string, now: string): string {
  return `${place}: ${name} is the old name of ${now}`;
}
