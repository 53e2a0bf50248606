/** A response that notes whether writeHead() made it an event stream: Node does not tell its headers to getHeader(). */
import http from 'node:http';

type Given = http.OutgoingHttpHeaders | http.OutgoingHttpHeader[];

const EVENT_STREAM = 'text/event-stream';
/** Set where it is one only: a field of every response would cost all of them. */
const STREAMS: unique symbol = Symbol('writeHead() made it an event stream');
type Streaming = http.ServerResponse & { [STREAMS]?: boolean };

export class NotedResponse<
  Request extends http.IncomingMessage = http.IncomingMessage,
> extends http.ServerResponse<Request> {
  override writeHead(statusCode: number, reason?: string | Given, headers?: Given): this {
    if (isEventStream(contentTypeIn(typeof reason === 'object' ? reason : headers)))
      (this as Streaming)[STREAMS] = true;
    // Node tells the forms apart by their types.
    return super.writeHead(statusCode, reason as string, headers);
  }

  /** Whether the answer that has begun is an event stream, however it was given its type. */
  get isEventStream(): boolean {
    const type = this.getHeader('content-type');
    return type === undefined ? (this as Streaming)[STREAMS] === true : isEventStream(type);
  }
}

/** Whether this content-type is that of an event stream. */
export function isEventStream(type: unknown): boolean {
  return typeof type === 'string' && type.startsWith(EVENT_STREAM);
}

/** Names and values stand in an object, in turn in one array, or in pairs. */
function contentTypeIn(given: Given | undefined): unknown {
  if (given === undefined) return undefined;
  if (!Array.isArray(given)) {
    const usual = given['content-type'] ?? given['Content-Type'];
    if (usual !== undefined) return usual;
  }
  const flat = Array.isArray(given) ? given.flat() : Object.entries(given).flat();
  const at = flat.findIndex((name, index) => index % 2 === 0 && String(name).toLowerCase() === 'content-type');
  return at < 0 ? undefined : flat[at + 1];
}
