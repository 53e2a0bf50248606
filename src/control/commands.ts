/**
 * The one table of commands that talk to a running server. The routes of the control socket, the command line, its help
 * and docs/control.md are all made from it. It is loaded by whoever parses a command line: nothing heavy is imported.
 */
import type { ChangeRequest, Mode } from './operations.ts';

type ControlCommandName = 'status' | 'stacks' | 'check' | 'stop' | ChangeRequest['command'];

/** An argument: on the command line a word or a flag, in the JSON body a field. */
export interface Argument {
  /** The field of the body. */
  readonly field: 'count' | 'live' | 'mode' | 'worker';
  /**
   * `count`: an integer, or `auto` = the processors that the server may use. `switch`: true or false, and a flag. `worker`: as
   * status names it.
   */
  readonly type: 'count' | 'enum' | 'switch' | 'worker';
  readonly min?: number;
  readonly max?: number;
  readonly values?: readonly string[];
  readonly optional?: boolean;
  /** What stands for it in help, where it is a word. */
  readonly placeholder?: string;
  /** Of a switch: one line for help. */
  readonly summary?: string;
  /** Where it is a flag: its names without dashes, each with the mode that it belongs to. */
  readonly flags?: Readonly<Record<string, Mode>>;
}

/** A flag that only one command has. */
interface OwnFlag {
  readonly name: string;
  readonly summary: string;
}

export interface ControlCommand {
  readonly name: ControlCommandName;
  /** One line, without a full stop. */
  readonly summary: string;
  readonly method: 'GET' | 'POST';
  readonly path: `/${string}`;
  readonly arguments?: readonly Argument[];
  readonly flags?: readonly OwnFlag[];
  /** Which signals to the supervisor mean the same, or nearly: in words, after SIG. */
  readonly signals?: string;
  /** It takes the flags of a server, too, and an app: it is no mere question to one that runs. */
  readonly startsApp?: boolean;
}

const mostLoops = 1024;

export const controlCommands: readonly ControlCommand[] = [
  {
    name: 'check',
    summary: 'Validate the configuration, boot the app, serve nothing; compare with a server that runs',
    method: 'GET',
    path: '/config',
    startsApp: true,
  },
  {
    name: 'status',
    summary: 'Show mode, generation, workers and the last change',
    method: 'GET',
    path: '/status',
    flags: [{ name: 'path', summary: 'Print only the path of the control socket, for curl' }],
    signals: 'USR1 (to the log)',
  },
  {
    name: 'stacks',
    summary: 'Show what JavaScript each event loop is running now',
    method: 'GET',
    path: '/stacks',
    signals: 'QUIT (to the log)',
  },
  {
    name: 'reload',
    summary: 'Read the configuration again and replace all workers without losing a request',
    method: 'POST',
    path: '/reload',
    arguments: [
      {
        field: 'live',
        type: 'switch',
        optional: true,
        summary: 'Replace no worker: apply the live settings alone, in the workers that run',
      },
    ],
    signals: 'HUP',
  },
  {
    name: 'rollback',
    summary: 'Go back to the configuration and app of the generation before',
    method: 'POST',
    path: '/rollback',
  },
  {
    name: 'scale',
    summary: 'Run N workers (prefork) or threads (threaded)',
    method: 'POST',
    path: '/scale',
    arguments: [{ field: 'count', type: 'count', min: 1, max: mostLoops, placeholder: 'N' }],
    signals: 'TTIN, TTOU (one more, one less)',
  },
  {
    name: 'mode',
    summary: 'Change to prefork (--workers=N), threaded (--threads=N) or evented',
    method: 'POST',
    path: '/mode',
    arguments: [
      { field: 'mode', type: 'enum', values: ['prefork', 'threaded', 'evented'], placeholder: 'MODE' },
      {
        field: 'count',
        type: 'count',
        min: 1,
        max: mostLoops,
        optional: true,
        flags: { workers: 'prefork', threads: 'threaded' },
      },
    ],
  },
  {
    name: 'recycle',
    summary: 'Replace one worker by a fresh one, as status names it: 2, evented-1, cron-1',
    method: 'POST',
    path: '/recycle',
    arguments: [{ field: 'worker', type: 'worker', min: 1, placeholder: 'WORKER' }],
  },
  {
    name: 'upgrade',
    summary: 'Replace the supervisor itself, by the Tricorn and Node.js that are installed now',
    method: 'POST',
    path: '/upgrade',
    signals: 'USR2',
  },
  {
    name: 'stop',
    summary: 'Stop gracefully, and wait until it has ended',
    method: 'POST',
    path: '/stop',
    signals: 'TERM, INT',
  },
];

export function controlCommandNamed(name: string): ControlCommand | undefined {
  return controlCommands.find((command) => command.name === name);
}

/** How the commands end. They leave out 3 and 4, with which a server that could not start ends. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  unreachable: 5,
  refused: 6,
} as const;

/** Of a command that is asked to change something, in words. */
export const exitCodeDocs: Readonly<Record<keyof typeof exitCodes, string>> = {
  done: 'done',
  failed: 'tried and failed; what served before serves on',
  usage: 'the command line, or what the command itself reads of the configuration, is wrong',
  unreachable: 'no running server was found, more than one was, or it does not answer',
  refused: 'the server refused: it is about to stop, there is nothing to roll back to, and the like',
};
