/** What can go wrong with a request, by kind. Every kind fails a test. */
export type FailureKind =
  /** Nobody listened. */
  | 'refused'
  /** The first request of a connection got a reset instead of an answer. */
  | 'reset on fresh'
  /** A connection that was idle was closed or reset while a request was on its way on it. */
  | 'reset on reuse'
  /** The answer began, and did not come to its end. */
  | 'truncated body'
  | 'wrong bytes'
  | 'wrong status'
  | 'timeout'
  /** Any other end of a connection that still owed something. */
  | 'unexpected close';

export class LoadFailure extends Error {
  readonly kind: FailureKind;

  constructor(kind: FailureKind, detail: string) {
    super(detail);
    this.kind = kind;
  }
}

/**
 * An earlier answer on the connection said `Connection: close`: this request was not answered and, as RFC 9112 (9.3.2 and
 * 9.6) has it, may be sent again by the client. Only pipelining leads to this.
 */
export class Unanswered extends Error {}
