/**
 * Requests and answers of the control socket. Lives in the supervisor, loaded at the first connection.
 *
 * A GET is answered by one JSON object. A POST changes something, and is answered by lines of JSON as they come:
 * `{"progress":…}` any number of times, then `{"result":…}`. Every answer ends its connection.
 */
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { question, meant } from '../config/nearest.ts';
import { showText } from '../config/show.ts';
import { toWireError } from '../errors.ts';
import { handedServer } from '../http/handed-server.ts';
import { checkArguments, type Arguments } from './arguments.ts';
import { controlCommands, type ControlCommand } from './commands.ts';
import { masked } from './masked.ts';
import type { ChangeRequest, Operations, Result } from './operations.ts';
import { readBody, Refusal } from './read-body.ts';
import { ResultStream, SILENT_MS } from './result-stream.ts';
import type { ControlOptions } from './server.ts';

const PATIENCE = { headersMs: 5000, requestMs: 10_000, silentMs: SILENT_MS };

const paths = controlCommands.map(({ method, path }) => `${method} ${path}`);

export class Exchange {
  readonly #operations: Operations;
  readonly #log: ControlOptions['log'];
  readonly #server: Server;
  /** Whoever waits for an outcome. */
  readonly #streams = new Set<ResultStream>();
  /** Whoever waits for the end of the server. */
  readonly #stops = new Set<ResultStream>();

  constructor({ operations, log }: ControlOptions) {
    this.#operations = operations;
    this.#log = log;
    this.#server = handedServer(PATIENCE, (request, response) => void this.#answer(request, response));
  }

  take(socket: Socket): void {
    if (!socket.destroyed) this.#server.emit('connection', socket);
  }

  close(): void {
    for (const stream of this.#stops) stream.finish({ outcome: 'done', text: 'stopped' });
    for (const stream of this.#streams) stream.finish({ outcome: 'refused', text: 'the server stops' });
    this.#server.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.shouldKeepAlive = false;
    // A client that is gone is no error of ours.
    response.on('error', () => {});
    try {
      await this.#route(request, response);
    } catch (error) {
      if (error instanceof Refusal) return sendJson(response, error.status, error.body, error.headers);
      this.#log.error({ err: error }, 'The control socket met an error of its own');
      if (!response.headersSent) sendJson(response, 500, { error: toWireError(error) });
      else response.destroy();
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const command = commandOf(request);
    if (command.method === 'GET') return sendJson(response, 200, await this.#look(command));
    const values = argumentsOf(command, await readBody(request));
    this.#log.info({ command: command.name, ...values }, `The control socket is asked for: ${command.name}`);
    if (command.name === 'stop') return this.#stop(response);
    await this.#change({ command: command.name, ...values } as ChangeRequest, new ResultStream(response));
  }

  async #look({ name }: ControlCommand): Promise<unknown> {
    if (name === 'status') return this.#operations.status();
    if (name === 'stacks') return { workers: await this.#operations.stacks() };
    return masked(this.#operations.config());
  }

  async #change(request: ChangeRequest, stream: ResultStream): Promise<void> {
    this.#streams.add(stream);
    stream.finish(await this.#outcomeOf(request, stream));
    this.#streams.delete(stream);
  }

  async #outcomeOf(request: ChangeRequest, stream: ResultStream): Promise<Result> {
    try {
      return await this.#operations.change(request, (progress) => stream.progress(progress));
    } catch (err) {
      this.#log.error({ err }, `${request.command} met an error of its own`);
      const error = toWireError(err);
      return { outcome: 'failed', text: error.message, error };
    }
  }

  /** The answer ends when the server does, by close(). */
  #stop(response: ServerResponse): void {
    const stream = new ResultStream(response);
    this.#stops.add(stream);
    response.once('close', () => this.#stops.delete(stream));
    stream.progress({ ready: 0, wanted: 0, text: 'stopping; requests in flight finish' });
    this.#operations.stop();
  }
}

/** @throws Refusal 404, 405 */
function commandOf({ method = '', url = '' }: IncomingMessage): ControlCommand {
  const path = url.replace(/\?.*$/s, '');
  const command = controlCommands.find((candidate) => candidate.path === path);
  if (!command) {
    const near = question(
      meant(
        path,
        controlCommands.map((known) => known.path),
      ),
    );
    throw new Refusal(404, { error: `${showText(path)}: no such path${near}`, paths });
  }
  if (method === command.method) return command;
  const error = `${showText(method)} ${path}: must be ${command.method}`;
  throw new Refusal(405, { error, paths }, { allow: command.method });
}

/** @throws Refusal 400 that names everything that is wrong */
function argumentsOf(command: ControlCommand, body: string): Arguments {
  const { values, problems } = checkArguments(command, body.trim() === '' ? {} : parse(body));
  if (problems.length > 0) throw new Refusal(400, { error: problems.join('\n'), problems });
  return values;
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    throw new Refusal(400, { error: `${showText(body)}: must be JSON`, problems: [] });
  }
}

function sendJson(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = `${JSON.stringify(body)}\n`;
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    connection: 'close',
    ...headers,
  });
  response.end(text);
}
