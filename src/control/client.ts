/** Asks the control socket of a running server. Lives in the command, not in the server. */
import { request, type IncomingMessage } from 'node:http';
import { setTimeout as pass } from 'node:timers/promises';
import { TricornError } from '../errors.ts';
import type { Progress } from './operations.ts';

export interface Question {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: object;
  readonly onProgress?: (progress: Progress) => void;
  /** How long the answer may take, milliseconds; default: as long as it takes. */
  readonly withinMs?: number;
}

export interface Answer {
  readonly status: number;
  /** The one object, or the last line, of the answer. */
  readonly body: unknown;
}

/** A server with all its connections taken gets rid of idle ones within about 6 s. */
const RETRIES = 30;
const RETRY_MS = 300;

/**
 * @param socket path of the control socket
 * @throws TricornError TRC_NO_SERVER where it cannot be reached, answers too late, or breaks off
 */
export async function ask(socket: string, question: Question): Promise<Answer> {
  for (let left = RETRIES; ; left -= 1) {
    const answer = await askOnce(socket, question).catch((error: Error) => {
      if (left > 0 && wasTurnedAway(error)) return undefined;
      throw error;
    });
    if (answer && (answer.status !== 503 || left === 0)) return answer;
    await pass(RETRY_MS);
  }
}

/** Its 503 came, and its end of the connection was closed, before we had written a word: nothing was asked yet. */
function wasTurnedAway({ cause }: Error): boolean {
  return (cause as NodeJS.ErrnoException).code === 'EPIPE';
}

async function askOnce(socket: string, question: Question): Promise<Answer> {
  const { withinMs } = question;
  const late = withinMs === undefined ? undefined : AbortSignal.timeout(withinMs);
  try {
    const response = await send(socket, question, late);
    return { status: response.statusCode ?? 0, body: await readLines(response, question.onProgress) };
  } catch (error) {
    // In mid-answer it would look like a connection that breaks off.
    const isLate = late?.aborted === true && withinMs !== undefined;
    const reason = isLate
      ? `the server at ${socket} has not answered within ${withinMs / 1000} s`
      : whyNot(socket, error as NodeJS.ErrnoException);
    throw new TricornError('TRC_NO_SERVER', { reason }, { cause: error });
  }
}

function send(
  socketPath: string,
  { method, path, body }: Question,
  signal: AbortSignal | undefined,
): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const text = body === undefined ? '' : JSON.stringify(body);
  const headers = { host: 'tricorn', 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) };
  request({ socketPath, method, path, headers, agent: false, ...(signal && { signal }) }, resolve)
    .on('error', reject)
    .end(text);
  return promise;
}

/** The last line that tells no progress. */
async function readLines(response: IncomingMessage, onProgress: Question['onProgress']): Promise<unknown> {
  let rest = '';
  let last: unknown;
  const read = (line: string): void => {
    const message = JSON.parse(line) as { readonly progress?: Progress };
    if (message.progress) onProgress?.(message.progress);
    else last = message;
  };
  for await (const chunk of response.setEncoding('utf8')) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    lines.filter((line) => line !== '').forEach(read);
  }
  if (rest !== '') read(rest);
  return last;
}

/** Why there is nobody at that path who can be asked. */
export function whyUnreachable(socket: string, code: string): string {
  if (code === 'ENOENT') return `there is no control socket ${socket}; is the server running?`;
  if (code === 'ECONNREFUSED') return `nobody serves the control socket ${socket} any more: the server has ended`;
  if (code === 'EACCES' || code === 'EPERM')
    return `no permission to open the control socket ${socket}: be the user who runs the server, or root`;
  return `the control socket ${socket} cannot be reached: ${code}`;
}

function whyNot(socket: string, error: NodeJS.ErrnoException): string {
  const { code = '' } = error;
  if (code === 'ECONNRESET') return `the server at ${socket} broke off; its log may say why`;
  if (error instanceof SyntaxError || code.startsWith('HPE_'))
    return `what answers at ${socket} is no control socket of Tricorn`;
  return whyUnreachable(socket, code === '' ? String(error) : code);
}
