/** The app of bench/cron.ts: jobs that do nothing, and a handler that asks for them. */
import { defineApp, trigger, type DefinedApp } from 'tricorn';
import { answer, begun } from './runs.ts';

const yearly = { schedule: '@yearly', run: begun };

const app: DefinedApp = defineApp({
  handler: (request, response) =>
    void answer(request, response, (job) => trigger(job, { coalesce: job === 'ping' })).catch((error: Error) =>
      response.writeHead(500).end(error.message),
    ),
  cron: { ping: yearly, 'work-0': yearly, 'work-1': yearly, 'work-2': yearly, 'work-3': yearly },
});

export default app;
