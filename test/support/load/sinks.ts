/** What compares an answer, byte by byte and as it comes, with what it must be. */
import { eventText } from './content.ts';
import { LoadFailure } from './failure.ts';
import type { AnswerSink, Head } from './response-parser.ts';

/** Told when an answer is verified: by whom it was given. */
type OnVerified = (who: string) => void;

/** An answer that must be exactly these bytes. */
export function exactly(expected: Buffer, onVerified: OnVerified): AnswerSink {
  let who = '';
  let at = 0;
  return {
    head: (head) => (who = checkHead(head)),
    data: (chunk) => {
      compare(chunk, expected.subarray(at, at + chunk.length), at);
      at += chunk.length;
    },
    end: () => {
      if (at < expected.length) throw new LoadFailure('truncated body', `${at} of ${expected.length} bytes`);
      onVerified(who);
    },
  };
}

/** Events of a stream, each of which must follow the one before it without a gap. */
export function events(seed: number, first: number, onEvent: (id: number, who: string) => void): AnswerSink {
  let who = '';
  let id = first;
  let rest: Buffer = Buffer.alloc(0);
  return {
    head: (head) => (who = checkHead(head)),
    data: (chunk) => {
      rest = Buffer.concat([rest, chunk]);
      for (let end = rest.indexOf('\n\n'); end >= 0; end = rest.indexOf('\n\n')) {
        const event = rest.toString('latin1', 0, end + 2);
        if (event !== eventText(seed, id)) throw new LoadFailure('wrong bytes', `event ${id}: ${quote(event)}`);
        rest = rest.subarray(end + 2);
        onEvent(id, who);
        id += 1;
      }
    },
    end: () => {
      if (rest.length > 0) throw new LoadFailure('truncated body', `event ${id}: ${quote(rest.toString('latin1'))}`);
    },
  };
}

/** @returns who answered */
function checkHead({ status, headers }: Head): string {
  if (status !== 200) throw new LoadFailure('wrong status', `${status}`);
  const who = headers.get('x-served-by');
  if (who === undefined) throw new LoadFailure('wrong bytes', 'an answer without x-served-by: not from the load app');
  return who;
}

function compare(seen: Buffer, expected: Buffer, at: number): void {
  if (seen.equals(expected)) return;
  const index = seen.findIndex((byte, index) => byte !== expected[index]);
  throw new LoadFailure('wrong bytes', `byte ${at + index}: ${quote(seen.toString('latin1', index))}`);
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}
