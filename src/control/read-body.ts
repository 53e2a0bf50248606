/** Reads what a client of the control socket sends, and no more of it than is sensible. */
import type { IncomingMessage } from 'node:http';

/** Bytes: arguments are a few words. */
const MOST_BYTES = 65_536;

/** An answer other than what was asked for. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly body: { readonly error: string };
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    body: { readonly error: string; readonly [field: string]: unknown },
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(body.error);
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** @throws Refusal where there is too much of it, or its sender is gone */
export function readBody(request: IncomingMessage): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= MOST_BYTES) return chunks.push(chunk);
    // Not destroyed: the answer goes the same way. Its end cuts the rest.
    request.pause();
    reject(new Refusal(413, { error: `the body must not exceed ${MOST_BYTES} bytes` }));
  });
  request.on('end', () => resolve(Buffer.concat(chunks).toString()));
  request.on('error', () => {});
  request.on('close', () => reject(new Refusal(400, { error: 'the body broke off' })));
  return promise;
}
