/** A response that remembers the headers given to writeHead(): Node sends those, and does not tell them to getHeader(). */
import http from 'node:http';

type Given = http.OutgoingHttpHeaders | http.OutgoingHttpHeader[];

export class NotedResponse<
  Request extends http.IncomingMessage = http.IncomingMessage,
> extends http.ServerResponse<Request> {
  /** Kept as they are: nearly nobody ever asks. */
  #given: Given | undefined;

  override writeHead(statusCode: number, reason?: string | Given, headers?: Given): this {
    this.#given = typeof reason === 'object' ? reason : headers;
    // Node tells the forms apart by their types.
    return super.writeHead(statusCode, reason as string, headers);
  }

  /** Of the answer that has begun, however it was given. */
  get contentType(): string | undefined {
    const type = this.getHeader('content-type') ?? valueIn(this.#given, 'content-type');
    return typeof type === 'string' ? type : undefined;
  }
}

/** Names and values stand in an object, in turn in one array, or in pairs. */
function valueIn(given: Given | undefined, wanted: string): unknown {
  if (given === undefined) return undefined;
  const flat = Array.isArray(given) ? given.flat() : Object.entries(given).flat();
  const at = flat.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === wanted);
  return at < 0 ? undefined : flat[at + 1];
}
