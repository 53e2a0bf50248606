/**
 * Whose rights the workers have (`user`, `group`). Lives in the supervisor, which keeps its own: it binds the port, and
 * restarts what needs them. Workers change before they run any code, and have no further groups (setgroups(0), by libuv).
 */
import { execFileSync } from 'node:child_process';
import { chownSync, statSync } from 'node:fs';
import type { Config } from '../config/config.ts';
import { TricornError } from '../errors.ts';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

type Asked = Pick<Config, 'user' | 'group'>;

/**
 * Undefined where the workers are to run as the supervisor does.
 *
 * @throws TricornError TRC_USER where there is no such user or group, or where only root could do it
 */
export function accountOf({ user, group }: Asked, own: Account = currentAccount()): Account | undefined {
  if (user === '' && group === '') return undefined;
  const uid = user === '' ? own.uid : uidOf(user);
  const gid = group === '' ? gidOfUser(user) : gidOf(group);
  if (uid === own.uid && gid === own.gid) return undefined;
  if (own.uid !== 0) throw refused({ user, group }, 'only root can give workers the rights of somebody else');
  return { uid, gid };
}

/** Workers open the logfile themselves, and again after a rotation. */
export function giveLogfile({ user, group, logfile }: Pick<Config, 'user' | 'group' | 'logfile'>, to: Account): void {
  if (logfile === '') return;
  try {
    // Never a device, such as /dev/null.
    if (statSync(logfile).isFile()) chownSync(logfile, to.uid, to.gid);
  } catch (error) {
    throw refused({ user, group }, `logfile ${logfile} cannot be given to them: ${(error as Error).message}`, error);
  }
}

function currentAccount(): Account {
  return { uid: process.getuid?.() ?? -1, gid: process.getgid?.() ?? -1 };
}

function uidOf(user: string): number {
  return isNumber(user) ? Number(user) : ask({ user, group: '' }, 'id', ['-u', '--', user]);
}

/** A number that is no user of this machine has no group of its own. */
function gidOfUser(user: string): number {
  return ask({ user, group: '' }, 'id', ['-g', '--', user]);
}

function gidOf(group: string): number {
  return isNumber(group) ? Number(group) : ask({ user: '', group }, 'getent', ['group', '--', group]);
}

/** By the system's own commands: users may come from LDAP and the like, which a look into /etc/passwd would miss. */
function ask(asked: Asked, command: string, args: readonly string[]): number {
  try {
    const answer = execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
    // `1000`, or `name:x:1000:members`.
    const id = Number(answer.split(':')[2] ?? answer);
    if (Number.isInteger(id)) return id;
    throw new Error(`${command} answers ${answer}`);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    throw refused(asked, missing ? `${command} is needed to look it up: give a number` : 'is not known here', error);
  }
}

function isNumber(name: string): boolean {
  return /^\d{1,9}$/.test(name);
}

function refused({ user, group }: Asked, reason: string, cause?: unknown): TricornError {
  const what = [user && `user ${user}`, group && `group ${group}`].filter(Boolean).join(', ');
  return new TricornError('TRC_USER', { what, reason }, { cause });
}
