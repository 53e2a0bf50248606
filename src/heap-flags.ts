/**
 * How V8 manages the heap of an event loop that serves requests. Both flags are old ones, but V8 promises none: only versions of
 * Node that they were tried with get them, and the others do without.
 */

/** `node bench/overhead.ts` tells what they are worth to bare Fastify. */
export const FLAGS: readonly string[] = [
  // V8 notes which kinds of object have lived long, and allocates further ones where only a major collection looks. Once a
  // moment's connections have made it think so of sockets, each of them, and all that hangs on it, stays until then: a fifth
  // more CPU with one request per connection, or not, as chance has it.
  '--no-allocation-site-pretenuring',
  // The space for new objects grows only by what survives in it, and of requests nothing does: by its default of 1 MiB it is
  // collected eighty times a second under load. V8 lets it grow up to twice this size; --max-semi-space-size limits it as ever.
  '--min-semi-space-size=16',
];

const TRIED_WITH: readonly number[] = [24, 26];

const [major] = process.versions.node.split('.').map(Number);

export const heapFlags: readonly string[] = major !== undefined && TRIED_WITH.includes(major) ? FLAGS : [];

/**
 * In a worker and in each of its threads: they are none of the app's. Node would refuse them to a thread that the app gives its
 * own process.execArgv.
 */
export function hideHeapFlags(): void {
  process.execArgv = process.execArgv.filter((flag) => !FLAGS.includes(flag));
}
