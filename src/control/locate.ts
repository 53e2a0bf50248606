/** Finds the control socket of the running server that is meant. */
import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { NO_CONTROL } from '../config/settings.ts';
import { TricornError } from '../errors.ts';
import { connectError, isAlive } from '../supervisor/probe.ts';
import { ask, whyUnreachable } from './client.ts';
import type { Clue, Clues } from './clues.ts';
import type { Status } from './operations.ts';
import { directoriesOf, searchedDirectories, type Surroundings } from './runtime-directory.ts';

/** How long a server may take to say which app it serves, milliseconds. */
const ASK_MS = 3000;

/**
 * Of what names a server the strongest decides; without any, it is the only one that there is, of that app if one is
 * known.
 *
 * @returns the path of a socket that somebody serves
 * @throws TricornError TRC_NO_SERVER where there is none, or more than one
 */
export async function locate({ named, app }: Clues, around: Surroundings): Promise<string> {
  const [first, ...weaker] = named;
  if (!first) return theOnly(await search(around), app, around);
  return first.key === 'control_socket' ? reach(first) : byPidfile(first, weaker, around);
}

async function reach({ path, place }: Clue): Promise<string> {
  if (path === NO_CONTROL) throw noServer(`${place} is none: that server has no control socket`);
  const code = await connectError(path);
  if (code === undefined) return path;
  throw noServer(whyUnreachable(path, code));
}

/** The socket by pid, else the one that a weaker source names, if it is that process which serves it. */
async function byPidfile(clue: Clue, weaker: readonly Clue[], around: Surroundings): Promise<string> {
  const pid = readPid(clue);
  const directories = [...searchedDirectories(around), ...directoriesOf(ownerOf(pid), around)];
  const own = directories.map((directory) => join(directory, `${pid}.sock`)).find(isSocket);
  if (own !== undefined) return reach({ ...clue, path: own });
  const other = weaker.find(({ key }) => key === 'control_socket');
  if (other) {
    const path = await reach(other);
    const seen = await look(path);
    if (seen?.pid === pid) return path;
    throw noServer(`${clue.place} names process ${pid}, but ${path} (${other.place}) is served by ${nameOf(seen)}`);
  }
  throw noServer(
    `process ${pid}, which ${clue.place} names, has no control socket in ${directories.join(', ')}: give its path with --control-socket, or the RUNTIME_DIRECTORY that it has`,
  );
}

/** @throws TricornError TRC_NO_SERVER where it names no process that lives */
function readPid({ path, place }: Clue): number {
  const text = readSmallFile(path);
  if (text === undefined) throw noServer(`${place}: there is no pidfile ${path}; is the server running?`);
  const pid = /^[1-9]\d*$/.test(text) ? Number(text) : 0;
  if (pid === 0) throw noServer(`${place}: ${path} is no pidfile`);
  if (!isAlive(pid)) throw noServer(`${place}: ${path} names process ${pid}, which has ended`);
  return pid;
}

/** Root's where the system does not tell. */
function ownerOf(pid: number): number {
  return statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? 0;
}

/** A device would be read without end. */
function readSmallFile(path: string): string | undefined {
  try {
    return statSync(path).isFile() ? readFileSync(path, 'utf8').trim() : '';
  } catch {
    return undefined;
  }
}

interface Candidate {
  readonly pid: number;
  readonly path: string;
}

/** All that somebody serves in the runtime directories. */
async function search(around: Surroundings): Promise<Candidate[]> {
  const all = searchedDirectories(around).flatMap(socketsIn);
  const codes = await Promise.all(all.map(({ path }) => connectError(path)));
  return all.filter((_, index) => codes[index] === undefined);
}

function socketsIn(directory: string): Candidate[] {
  try {
    return readdirSync(directory).flatMap((name) => {
      const pid = /^(\d+)\.sock$/.exec(name)?.[1];
      return pid === undefined ? [] : [{ pid: Number(pid), path: join(directory, name) }];
    });
  } catch {
    // Not there, or not ours to look into.
    return [];
  }
}

async function theOnly(found: readonly Candidate[], app: string | undefined, around: Surroundings): Promise<string> {
  const [first, second] = found;
  if (!first) throw noServer(`no running server was found in ${searchedDirectories(around).join(', ')}`);
  if (!second && app === undefined) return first.path;
  const seen = await Promise.all(found.map(async (one) => ({ ...one, app: (await look(one.path))?.app })));
  const meant = app === undefined ? seen : seen.filter((one) => one.app !== undefined && isSameFile(one.app, app));
  const list = seen.map((one) => `  pid ${one.pid}: ${one.app ?? 'does not answer'} (${one.path})`).join('\n');
  if (meant.length === 1) return meant[0]!.path;
  if (meant.length === 0) throw noServer(`no running server serves ${app}; these run:\n${list}`);
  throw noServer(`more than one server runs; choose one by its path, with --control-socket:\n${list}`);
}

/** Undefined where it does not say. */
async function look(path: string): Promise<Pick<Status, 'pid' | 'app'> | undefined> {
  try {
    const { status, body } = await ask(path, { method: 'GET', path: '/status', withinMs: ASK_MS });
    return status === 200 ? (body as Status) : undefined;
  } catch {
    return undefined;
  }
}

function nameOf(seen: { readonly pid: number } | undefined): string {
  return seen ? `process ${seen.pid}` : 'one that does not answer';
}

function isSocket(path: string): boolean {
  try {
    return lstatSync(path).isSocket();
  } catch {
    // Not there, or not ours to see.
    return false;
  }
}

function isSameFile(a: string, b: string): boolean {
  if (a === b) return true;
  try {
    return realpathSync(a) === realpathSync(b);
  } catch {
    return false;
  }
}

function noServer(reason: string): TricornError {
  return new TricornError('TRC_NO_SERVER', { reason });
}
