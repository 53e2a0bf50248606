/** --print-config: the configuration as an ini file that --config takes back, each line with its source. */
import type { LoadedConfig } from './config.ts';
import { type Setting, settingKeys, settings } from './settings.ts';
import { mask } from './values.ts';

/** What gives a secret away, or would only bring a warning that it has no effect, stands in comments. */
export function renderPrintConfig(loaded: LoadedConfig): string {
  const lines = settingKeys.map((key) => {
    const setting: Setting = settings[key];
    const value = loaded.config[key];
    const { origin, place } = loaded.origins[key];
    if (setting.secret === true) return `; ${key} = ${value === '' ? '' : mask} ; ${place}`;
    const unused = origin === 'default' ? setting.unusedWhen?.(loaded.config) : undefined;
    if (unused !== undefined) return `; ${key} = ${encodeText(String(value))} ; ${place}; not used: ${unused}`;
    return withComment(`${key} = ${encodeText(String(value))}`, place);
  });
  return ['[options]', ...lines, ...renderApp(['app'], loaded.app_options), ''].join('\n');
}

/** After a quoted value `ini` allows no comment: it would belong to the value. */
function withComment(line: string, comment: string): string {
  return line.endsWith('"') ? `; ${comment}\n${line}` : `${line} ; ${comment}`;
}

/** Text as `ini` reads it back: quoted where a character in it means something. */
function encodeText(text: string): string {
  return /^([\w./@%+:~,-]+( [\w./@%+:~,-]+)*)?$/.test(text) ? text : quote(text);
}

/** The line separators of Unicode, which JSON leaves as they are, end a line for `ini`. */
function quote(value: unknown): string {
  return JSON.stringify(value).replace(/[\u2028\u2029]/g, (c) =>
    c === '\u2028' ? String.raw`\u2028` : String.raw`\u2029`,
  );
}

type AppOptions = LoadedConfig['app_options'];

/** The [app] section, and those nested in it. Keys that sound like a secret are left out. */
function renderApp(path: readonly string[], options: AppOptions): string[] {
  const entries = Object.entries(options);
  if (path.length === 1 && entries.length === 0) return [];
  const keys = entries.filter(([key, value]) => !isSection(key, value));
  const sections = entries.filter(([key, value]) => isSection(key, value));
  return [
    '',
    `[${path.join('.')}]`,
    ...keys.map(([key, value]) => renderAppKey(key, value)),
    ...sections.flatMap(([key, value]) => renderApp([...path, key], value as AppOptions)),
  ];
}

function isSection(key: string, value: unknown): boolean {
  return /^[\w-]+$/.test(key) && typeof value === 'object' && value !== null && !Array.isArray(value);
}

function renderAppKey(key: string, value: unknown): string {
  const name = /^[\w.-]+$/.test(key) ? key : quote(key);
  if (soundsSecret(key, value)) return `; ${name} = ${mask} ; looks like a secret`;
  if (typeof value === 'string') return `${name} = ${encodeText(value)}`;
  // true, false and null are read back as such; for the rest `ini` takes JSON in single quotes.
  return typeof value === 'boolean' || value === null ? `${name} = ${value}` : `${name} = '${quote(value)}'`;
}

/** By its name, or as a URL with a password in it. */
export function soundsSecret(key: string, value: unknown): boolean {
  if (/pass(word|wd|phrase)?$|secret|token|credential|private|api_?key|dsn/i.test(key)) return true;
  return /:\/\/[^/?#]*:[^/?#]*@/.test(typeof value === 'string' ? value : JSON.stringify(value));
}
