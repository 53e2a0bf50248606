/**
 * The app on Fastify in two processes of node:cluster, by its default: the primary accepts, and hands on in turn. With `--shared`
 * both accept on one socket: nothing but Fastify runs then, and what it costs more than one process is the price of two.
 */
import cluster from 'node:cluster';
import fastify from 'fastify';
import app from './app.ts';

const WORKERS = 2;

if (process.argv[2] === '--shared') cluster.schedulingPolicy = cluster.SCHED_NONE;

if (cluster.isPrimary) {
  let listening = 0;
  cluster.on('listening', (_worker, { port }) => {
    listening += 1;
    if (listening === WORKERS) process.stdout.write(`Ready on http://127.0.0.1:${port}\n`);
  });
  for (let worker = 0; worker < WORKERS; worker += 1) cluster.fork();
} else {
  const server = fastify({ logger: false });
  await server.register(app);
  await server.listen({ host: '127.0.0.1', port: 0 });
}
