/**
 * The app on Fastify alone, in one process. `--log` gives it Fastify's logger on standard output, with a line per request and
 * response; `--quiet-log` the logger without these lines, so that `request.log` works as it does under Tricorn.
 */
import fastify, { type FastifyServerOptions } from 'fastify';
import app from './app.ts';

const [flag] = process.argv.slice(2);
const server = fastify(options());
await server.register(app);
const url = await server.listen({ host: '127.0.0.1', port: 0 });
// Worded as Tricorn's line is, so that the benchmark waits for all of them alike.
process.stdout.write(`Ready on ${url}\n`);

function options(): FastifyServerOptions {
  if (flag === '--log') return { logger: true };
  if (flag !== '--quiet-log') return { logger: false };
  return { logger: true, logController: new fastify.LogController({ disableRequestLogging: true }) };
}
