/** The configuration as it may leave the process: everything that is or sounds like a secret is masked. */
import type { Config, LoadedConfig } from '../config/config.ts';
import { soundsSecret } from '../config/print-config.ts';
import { type Setting, settingKeys, settings } from '../config/settings.ts';
import { mask } from '../config/values.ts';

/** What `GET /config` answers. */
export interface ReportedConfig {
  readonly config: Readonly<Record<keyof Config, unknown>>;
  readonly app_options: Readonly<Record<string, unknown>>;
  readonly origins: LoadedConfig['origins'];
}

export function masked({ config, app_options, origins }: LoadedConfig): ReportedConfig {
  const values = settingKeys.map((key) => {
    const secret = (settings[key] as Setting).secret === true && config[key] !== '';
    return [key, secret ? mask : config[key]] as const;
  });
  return {
    config: Object.fromEntries(values) as ReportedConfig['config'],
    app_options: maskedOptions(app_options),
    origins,
  };
}

function maskedOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => {
      if (isSection(value)) return [key, maskedOptions(value)];
      return [key, soundsSecret(key, value) ? mask : value];
    }),
  );
}

function isSection(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
