/**
 * The folder in which each server has its control socket, by its pid. Server and commands must come to the same one:
 * they may be started by different hands, with different environments.
 */
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fs } from '../builtins.ts';
import type { Environment } from '../config/environment.ts';

export interface Surroundings {
  readonly env: Environment;
  /** Who we are: process.getuid(). */
  readonly uid: number;
  /** os.tmpdir(). */
  readonly tmp: string;
}

const SYSTEM = '/run/tricorn';
/** Whoever may write there could put a socket of his own in our place. */
const WRITABLE_BY_OTHERS = 0o022;

export function surroundings(env: Environment): Surroundings {
  return { env, uid: process.getuid?.() ?? -1, tmp: tmpdir() };
}

/** Where a server puts its control socket. */
export function runtimeDirectory({ env, uid, tmp }: Surroundings): string {
  // systemd separates several by colons.
  const given = env['RUNTIME_DIRECTORY']?.split(':')[0] ?? '';
  if (given !== '') return given;
  // A root shell has XDG_RUNTIME_DIR, or by sudo another user's, and a root service has none: both must meet.
  if (uid === 0) return SYSTEM;
  const session = env['XDG_RUNTIME_DIR'] ?? '';
  return isDirectory(session) ? join(session, 'tricorn') : join(tmp, `tricorn-${uid}`);
}

/** Where a command looks: in an order of its own, for the server's environment is not known. */
export function searchedDirectories(around: Surroundings): readonly string[] {
  const first = runtimeDirectory(around);
  if (around.env['RUNTIME_DIRECTORY']) return [first];
  return [...new Set([first, SYSTEM, join(around.tmp, `tricorn-${around.uid}`)])].filter(isSafe(around.uid));
}

/** Where root looks for the server of another user, whose pid is known: where that put it without RUNTIME_DIRECTORY. */
export function directoriesOf(owner: number, { uid, tmp }: Surroundings): readonly string[] {
  if (uid !== 0 || owner === 0) return [];
  return [`/run/user/${owner}/tricorn`, join(tmp, `tricorn-${owner}`)].filter(isSafe(owner));
}

/** Who can write to our own folder in /tmp decides whom a command talks to. */
function isSafe(uid: number): (directory: string) => boolean {
  return (directory) => directory === SYSTEM || danger(directory, uid) === undefined;
}

/**
 * Makes the folder where there is none, for its owner alone.
 *
 * @returns its path without symbolic links
 * @throws Error that says in words why it will not do: it cannot be made, or others could meddle with it
 */
export function makeRuntimeDirectory(around: Surroundings): string {
  const directory = runtimeDirectory(around);
  fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  // What the service manager or root made may be a link; a link in /tmp may be anybody's.
  const path = directory.startsWith(around.tmp) ? directory : fs.realpathSync(directory);
  const reason = danger(path, around.uid);
  if (reason !== undefined) throw new Error(`the folder ${directory} ${reason}`);
  return path;
}

/** Why nobody should trust what is in the folder; undefined where it is fine. */
function danger(path: string, uid: number): string | undefined {
  if (!isDirectory(path) || fs.lstatSync(path).isSymbolicLink()) return 'is none';
  const stat = fs.lstatSync(path);
  if (stat.uid !== uid) return `belongs to another user (uid ${stat.uid})`;
  return (stat.mode & WRITABLE_BY_OTHERS) === 0 ? undefined : 'may be written to by others';
}

function isDirectory(path: string): boolean {
  try {
    return path !== '' && fs.statSync(path).isDirectory();
  } catch {
    // Not there, or behind a folder that is none of ours.
    return false;
  }
}
