/**
 * The command that a new process of the same service is started by. What a deploy may have swapped is looked up anew: the
 * Node that the name `node` leads to, and the link that leads to Tricorn. Pure but for the look at files.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { isNoDebugger } from './spawn-worker.ts';

/** How this process was started. */
export interface Started {
  /** As it was written: `node`, `/opt/node/bin/node`. */
  readonly argv0: string;
  /** What that led to. */
  readonly execPath: string;
  readonly execArgv: readonly string[];
  /** As process.argv has it. */
  readonly argv: readonly string[];
  /** The working directory, without links. */
  readonly cwd: string;
  /** The working directory as the shell named it, where links may lead elsewhere by now. */
  readonly folder: string;
  /** The search path of programs. */
  readonly path: string;
}

export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

export function sameCommand(started: Started): Command {
  const [, script = '', ...flags] = started.argv;
  // The debugging port is still this process's.
  const execArgv = started.execArgv.filter(isNoDebugger);
  return { file: nodeBinary(started), args: [...execArgv, underFolder(script, started), ...flags] };
}

function nodeBinary({ argv0, execPath, folder, path }: Started): string {
  const candidates = argv0.includes('/')
    ? [resolve(folder, argv0)]
    : path.split(':').map((place) => resolve(folder, place, argv0));
  return candidates.find(isProgram) ?? execPath;
}

/** Node makes argv[1] absolute by the folder that the working directory led to at the start. */
function underFolder(script: string, { cwd, folder }: Started): string {
  const below = relative(cwd, script);
  return below.startsWith('..') || isAbsolute(below) ? script : join(folder, below);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
