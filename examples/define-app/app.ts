// An app with hooks: they run in every worker and thread.
import { defineApp, type DefinedApp } from 'tricorn';

let answered = 0;

const app: DefinedApp = defineApp({
  handler: (_req, res) => {
    answered += 1;
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify({ hello: 'node:http', pid: process.pid }));
  },
  // Open what the app needs; the [app] section of tricorn.ini is in `options`.
  onStart: ({ log, options }) => log.info({ options }, 'open the database here'),
  // Close it again: after the last request, within the time that is left of graceful_timeout.
  onStop: ({ log }) => log.info('close the database here'),
  health: () => true,
  // `kill -USR1` logs it, together with the server's own figures.
  stats: () => ({ answered }),
});

export default app;
