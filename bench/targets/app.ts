/** The app that every server of the benchmark serves: as little as can be, so that what is measured is the server. */
import type { FastifyInstance } from 'fastify';

export default async function app(fastify: FastifyInstance): Promise<void> {
  fastify.get('/', async () => ({ hello: 'world' }));
}
