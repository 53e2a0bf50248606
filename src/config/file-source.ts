/** Settings from the ini file, and the options of the app. */
import { dirname, resolve } from 'node:path';
import { fs } from '../builtins.ts';
import { configFromEnvironment, type Environment } from './environment.ts';
import { type Given, oldName, type Source } from './given.ts';
import { type IniEntry, type IniFile, readIniFile } from './ini-file.ts';
import { didYouMean, question } from './nearest.ts';
import { type SettingKey, settingKeys, settingNamed, settings, settingsCalled } from './settings.ts';
import { showPath, showText } from './show.ts';
import { showValue } from './values.ts';

/** What it is called where nobody names one. */
export const defaultFile = 'tricorn.ini';

export interface FileSource extends Source {
  readonly app: IniFile['app'];
  /** Its settings are known: there is no file, or it could be read. */
  readonly readable: boolean;
  /** Absolute: where the file is; the working directory where there is none. */
  readonly folder: string;
}

/**
 * --config, else TRICORN_CONFIG, else tricorn.ini in the working directory where there is one.
 *
 * @param configFile what --config says
 * @param cwd absolute
 */
export function readConfigFile(configFile: string | undefined, env: Environment, cwd: string): FileSource {
  const variable = configFromEnvironment(env);
  const name = configFile ?? variable ?? defaultFile;
  const path = resolve(cwd, name);
  if (configFile === undefined && variable === undefined && !isThere(path)) return { ...noFile, folder: cwd };
  return fromIni(readIniFile(path, showPath(name), naming(configFile, variable)), showPath(name), dirname(path));
}

const noFile: Omit<FileSource, 'folder'> = {
  given: [],
  problems: [],
  warnings: [],
  app: Object.freeze({}),
  readable: true,
};

/** Also where it leads nowhere or may not be looked at: reading it then says so. */
function isThere(path: string): boolean {
  try {
    fs.lstatSync(path);
    return true;
  } catch (error) {
    return !(error instanceof Error && 'code' in error && error.code === 'ENOENT');
  }
}

function naming(configFile: string | undefined, variable: string | undefined): string {
  if (configFile !== undefined) return `--config=${showPath(configFile)}`;
  return variable === undefined ? defaultFile : `TRICORN_CONFIG = ${showPath(variable)}`;
}

function fromIni({ options, app, problems, readable }: IniFile, name: string, base: string): FileSource {
  const given = new Map<SettingKey, Given>();
  const unknown: string[] = [];
  const warnings: string[] = [];
  for (const entry of options) {
    const place = `${name}:${entry.line}`;
    const key = settingNamed(entry.name);
    const earlier = key && given.get(key);
    if (key === undefined) unknown.push(unknownSetting(place, entry.name));
    else if (earlier) unknown.push(`${place} ${entry.name}: ${key} is already given in ${earlier.place}`);
    else given.set(key, fromEntry(entry, key, place, base));
    if (key !== undefined && key !== entry.name) warnings.push(oldName(place, entry.name, key));
  }
  return { given: [...given.values()], problems: [...problems, ...unknown], warnings, app, readable, folder: base };
}

function unknownSetting(place: string, name: string): string {
  const called = settingsCalled(name);
  return `${place} ${showText(name)}: unknown setting${called.length > 0 ? question(called) : didYouMean(name, settingKeys)}`;
}

/** `evented` alone means true, as `ini` has it; alone, any other setting lacks its value. */
function fromEntry({ name, raw, bare }: IniEntry, key: SettingKey, place: string, base: string): Given {
  const setting = settings[key];
  const value = bare && setting.type !== 'boolean' ? null : raw;
  const shown = bare ? `${place} ${name}` : `${place} ${name} = ${showValue(setting, raw)}`;
  return { key, raw: value, origin: 'file', place, shown, base };
}
