/** The commands that talk to a running server. Loaded only for them: it is no part of a server. */
import { setTimeout as pass } from 'node:timers/promises';
import type { Environment } from '../config/environment.ts';
import { TricornError, toWireError, type WireError } from '../errors.ts';
import { isRunning } from '../supervisor/probe.ts';
import { ask, type Answer } from './client.ts';
import { cluesOf } from './clues.ts';
import { parseControlLine, type ControlLine } from './command-line.ts';
import { exitCodes, type ControlCommand } from './commands.ts';
import { renderCommandHelp } from './describe.ts';
import { locate } from './locate.ts';
import type { Progress, Result, Status, WorkerStacks } from './operations.ts';
import { surroundings } from './runtime-directory.ts';
import { showStacks, showStatus } from './show.ts';

/** What a command needs of its process. */
interface Terminal {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: { write(text: string): unknown };
  cwd(): string;
}

export interface ControlRun {
  readonly command: ControlCommand;
  /** Without node and script. */
  readonly argv: readonly string[];
  readonly env: Environment;
  readonly io: Terminal;
}

/** A server that lives answers at once; one that does not within this time is stuck, milliseconds. */
const LOOK_MS = 10_000;
/** After its last word a server only has to exit, milliseconds. */
const END_MS = 10_000;
const END_CHECK_MS = 20;

/**
 * Runs the command and resolves with its exit code.
 *
 * @throws TricornError TRC_USAGE, TRC_CONFIG, TRC_NO_SERVER; with --json it is printed before
 */
export async function runControl(run: ControlRun): Promise<number> {
  const line = parseControlLine(run.command, run.argv);
  if (line.help) {
    run.io.stdout.write(renderCommandHelp(run.command));
    return exitCodes.done;
  }
  try {
    return await obey(run, line);
  } catch (error) {
    if (line.json) printJson(run.io, { error: toWireError(error) });
    throw error;
  }
}

async function obey({ command, env, io }: ControlRun, line: ControlLine): Promise<number> {
  const { problems, flags } = line;
  if (problems.length > 0) {
    throw new TricornError('TRC_USAGE', { command: command.name, problems: problems.join('\n') });
  }
  const socket = await locate(cluesOf({ flags, env, cwd: io.cwd() }), surroundings(env));
  if (line.path) return print(io, line.json, { path: socket }, `${socket}\n`);
  if (command.method === 'GET') return look(command, socket, line, io);
  const { name } = command;
  const result = await (name === 'stop' ? stop(command, socket, io) : change(command, socket, line, io));
  return typeof result === 'number' ? result : conclude(name, result, line, io);
}

async function look(command: ControlCommand, socket: string, { json }: ControlLine, io: Terminal): Promise<number> {
  const { method, path, name } = command;
  const answer = await ask(socket, { method, path, withinMs: LOOK_MS });
  if (answer.status !== 200) return refused(command, answer, io);
  const text =
    name === 'status'
      ? showStatus(answer.body as Status)
      : showStacks((answer.body as { workers: readonly WorkerStacks[] }).workers);
  return print(io, json, answer.body, text);
}

/** The result, or the exit code where the request was not even taken. */
async function change(
  command: ControlCommand,
  socket: string,
  { values }: ControlLine,
  io: Terminal,
): Promise<Result | number> {
  const { method, path } = command;
  const answer = await ask(socket, { method, path, body: values, onProgress: progressOn(io) });
  return resultOf(answer) ?? refused(command, answer, io);
}

/** Waits until the process has ended, also where it ends before it can say so. */
async function stop(command: ControlCommand, socket: string, io: Terminal): Promise<Result | number> {
  const before = await ask(socket, { method: 'GET', path: '/status', withinMs: LOOK_MS });
  if (before.status !== 200) return refused(command, before, io);
  const { pid } = before.body as Status;
  const { method, path } = command;
  const answer = await ask(socket, { method, path, onProgress: progressOn(io) }).catch((error: unknown) => error);
  const brokeOff = answer instanceof Error;
  if (!brokeOff && !resultOf(answer as Answer)) return refused(command, answer as Answer, io);
  if (await hasEnded(pid)) return { outcome: 'done', text: `process ${pid} has stopped` };
  if (brokeOff) throw answer;
  throw new TricornError('TRC_NO_SERVER', { reason: `process ${pid} stops, but has not ended yet` });
}

/** Polls, for the kernel tells only a parent. */
async function hasEnded(pid: number): Promise<boolean> {
  const until = performance.now() + END_MS;
  while (isRunning(pid) && performance.now() < until) await pass(END_CHECK_MS);
  return !isRunning(pid);
}

/** Each step is told once. */
function progressOn(io: Terminal): (progress: Progress) => void {
  let last = '';
  return ({ ready, wanted, text }) => {
    const numbers = wanted === 0 ? [] : [`workers ready ${ready}/${wanted}`];
    const line = [...numbers, ...(text === '' ? [] : [text])].join(', ');
    if (line !== last) io.stderr.write(`${line}\n`);
    last = line;
  };
}

function resultOf({ body }: Answer): Result | undefined {
  return (body as { readonly result?: Result } | undefined)?.result;
}

function conclude(name: string, result: Result, { json }: ControlLine, io: Terminal): number {
  if (json) printJson(io, result);
  if (result.outcome !== 'done') {
    const more = result.outcome === 'failed' ? explain(result.error, result.text) : '';
    io.stderr.write(`tricorn: ${name} ${result.outcome}: ${result.text}${more}\n`);
  } else if (!json) io.stdout.write(`${name} done${result.text === '' ? '' : `: ${result.text}`}\n`);
  return exitCodes[result.outcome];
}

function explain({ code, message, hint, stack }: WireError, said: string): string {
  return ['', ...[message === said ? '' : message, stack, `${hint} (${code})`].filter(Boolean)].join('\n');
}

/** The server would not even take the request: it is older or newer than this command, or met an error of its own. */
function refused({ name }: ControlCommand, { status, body }: Answer, io: Terminal): number {
  const { error } = (body ?? {}) as { readonly error?: string | WireError };
  const text = typeof error === 'object' ? error.message : (error ?? 'no reason given');
  io.stderr.write(`tricorn: ${name}: the server answers ${status}: ${text}\n`);
  if (status === 400) return exitCodes.usage;
  return status >= 500 ? exitCodes.failed : exitCodes.refused;
}

function print(io: Terminal, json: boolean, value: unknown, text: string): number {
  if (json) printJson(io, value);
  else io.stdout.write(text);
  return exitCodes.done;
}

function printJson(io: Terminal, value: unknown): void {
  io.stdout.write(`${JSON.stringify(value, undefined, 2)}\n`);
}
