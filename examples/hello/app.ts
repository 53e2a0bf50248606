// A Fastify plugin. Run it:  npx tricorn examples/hello/app.ts   then with --workers=4, then with --evented.
import { setTimeout as sleep } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import type { FastifyInstance } from 'fastify';

export default async function app(fastify: FastifyInstance): Promise<void> {
  // `title` and `thread` tell who answered. An idle server gives every connection to the first; ask in parallel, or keep
  // one busy with /slow.
  fastify.get('/', async () => {
    return { hello: 'world', pid: process.pid, title: process.title, thread: threadId };
  });

  // /slow?ms=2000 waits without blocking; stop meanwhile (Ctrl-C), and it is still answered.
  fastify.get<{ Querystring: { ms: number } }>(
    '/slow',
    {
      schema: {
        querystring: { type: 'object', properties: { ms: { type: 'integer', default: 1000, maximum: 60000 } } },
      },
    },
    async (request) => {
      await sleep(request.query.ms);
      request.log.info(`slept ${request.query.ms} ms`);
      return { slept: request.query.ms, pid: process.pid };
    },
  );
}
