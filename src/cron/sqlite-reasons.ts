/**
 * Why the database cannot be had, in words that say who may not do what, and what to do: SQLite only says "unable to open
 * database file", and Node does not say whose rights they are.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { DATABASE, FILES } from './sqlite-messages.ts';

const { F_OK, R_OK, W_OK, X_OK } = constants;
/** SQLITE_PERM, SQLITE_READONLY, SQLITE_CANTOPEN. */
const ABOUT_ACCESS: readonly unknown[] = [3, 8, 14, 'EACCES', 'EPERM', 'EROFS'];

/** @param folder data_dir */
export function reasonOf(error: unknown, folder: string): string {
  const { message, errcode, code } = error as Error & { errcode?: number; code?: string };
  const isAboutAccess = ABOUT_ACCESS.includes(errcode === undefined ? code : errcode & 0xff);
  return (isAboutAccess ? denied(folder) : undefined) ?? message;
}

function denied(folder: string): string | undefined {
  const user = userName();
  if (refusal(folder, F_OK) !== undefined) {
    const parent = nearest(folder);
    const why = refusal(parent, W_OK | X_OK);
    if (why === 'EROFS') return readOnly(parent);
    const remedy = `make it for that user: install -d -o ${user} -m 700 ${folder}`;
    return why && `the user ${user} may not make the folder ${folder} in ${parent}; ${remedy}`;
  }
  const why = refusal(folder, W_OK | X_OK);
  if (why === 'EROFS') return readOnly(folder);
  // It may be one of the system's: nobody is told to give that away with all that is in it.
  const remedy = `choose another data_dir, or give that user this one: chown ${user} ${folder}`;
  if (why) return `the user ${user} may not write in the folder ${folder}; ${remedy}`;
  if (statSync(join(folder, DATABASE), { throwIfNoEntry: false })?.isDirectory()) {
    return 'it is a folder, and must be a file; remove it, or choose another data_dir';
  }
  const taken = FILES.map((name) => join(folder, name)).find((path) => refusal(path, R_OK | W_OK) === 'EACCES');
  const ours = `${join(folder, DATABASE)}*`;
  return (
    taken && `the user ${user} may not read and write ${taken}; give that user the files: chown -R ${user} ${ours}`
  );
}

function readOnly(path: string): string {
  return `the file system of ${path} is read-only; choose a data_dir that can be written`;
}

/** Why this may not be done; undefined where it may. */
function refusal(path: string, mode: number): string | undefined {
  try {
    accessSync(path, mode);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}

/** The folder above it that is there, as far as this user can see. */
function nearest(folder: string): string {
  const parent = dirname(folder);
  return parent === folder || refusal(parent, F_OK) === undefined ? parent : nearest(parent);
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // One without a name, as in many containers.
    return String(process.getuid?.());
  }
}
