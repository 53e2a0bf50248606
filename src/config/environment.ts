/** Settings from the environment: `TRICORN_HTTP_PORT=8080`. */
import { type Given, oldName, type Source } from './given.ts';
import { nearest } from './nearest.ts';
import { type SettingKey, settingKeys, settingNamed, settings, variableOf } from './settings.ts';
import { showText } from './show.ts';
import { showValue } from './values.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

const configVariable = 'TRICORN_CONFIG';
/** What `--test-file` gives to the test. */
const urlVariable = 'TRICORN_URL';
/** What a supervisor gives to the one that takes its place. */
export const upgradeVariable = 'TRICORN_UPGRADE';
const noSettings: readonly string[] = [configVariable, urlVariable, upgradeVariable];

/**
 * What Kubernetes sets in every container for a service whose name is, or begins with, "tricorn":
 * TRICORN_SERVICE_HOST, TRICORN_PORT=tcp://…, TRICORN_PORT_8069_TCP_ADDR, TRICORN_WEB_SERVICE_PORT, …
 */
const kubernetes: RegExp =
  /^TRICORN_((.*_)?SERVICE_(HOST|PORT).*|SERVICE_.*|PORT|PORT_.*|.*_PORT_\d+_(TCP|UDP|SCTP).*)$/;

/** The config file that the environment names. */
export function configFromEnvironment(env: Environment): string | undefined {
  return env[configVariable];
}

/**
 * Reads all TRICORN_* variables. An unknown one is a mistake if it looks like a misspelt setting, else a warning:
 * other software may have variables that begin the same way.
 *
 * @param cwd absolute; relative paths are resolved from it
 */
export function readEnvironment(env: Environment, cwd: string): Source {
  const given: Given[] = [];
  const problems: string[] = [];
  const warnings: string[] = [];
  for (const [name, raw] of Object.entries(env)) {
    if (raw === undefined || !name.startsWith('TRICORN_') || noSettings.includes(name)) continue;
    const written = name.slice('TRICORN_'.length).toLowerCase();
    const key = variableOf(written) === name ? settingNamed(written) : undefined;
    if (key === undefined) refuse(name, raw, problems, warnings);
    else {
      const shown = `${name} = ${showValue(settings[key], raw)}`;
      given.push({ key, raw, origin: 'environment', place: name, shown, base: cwd });
      if (written !== key) warnings.push(oldName(name, name, variableOf(key)));
    }
  }
  return { given, problems: [...problems, ...givenTwice(given)], warnings };
}

function refuse(name: string, raw: string, problems: string[], warnings: string[]): void {
  if (kubernetes.test(name) || kubernetesHint(raw) !== '') return;
  const known = [...settingKeys.map(variableOf), configVariable];
  const meant = nearest(name, known, 2);
  if (meant === undefined) warnings.push(`${showText(name)}: unknown variable, ignored`);
  else problems.push(`${showText(name)}: unknown variable; did you mean ${meant}?`);
}

/** A setting under its old and its new name at once. */
function givenTwice(given: readonly Given[]): string[] {
  const first = new Map<SettingKey, string>();
  return given.flatMap(({ key, place }) => {
    const other = first.get(key);
    first.set(key, place);
    return other === undefined ? [] : [`${place}: ${key} is already given by ${other}; give it once`];
  });
}

/** For a value that Kubernetes gave: a service `tricorn-http` sets TRICORN_HTTP_PORT=tcp://10.0.0.7:80. */
export function kubernetesHint(raw: unknown): string {
  if (typeof raw !== 'string' || !/^(tcp|udp|sctp):\/\//.test(raw)) return '';
  return ' (Kubernetes sets this for a service of that name: rename it, or set enableServiceLinks: false)';
}
