// Jobs beside HTTP. `tricorn jobs` shows them; `tricorn run send-digests --wait`, or POST /digests, runs one now.
import { defineApp, trigger, type DefinedApp } from 'tricorn';

const users: readonly string[] = ['ada', 'grace', 'hedy'];

const app: DefinedApp = defineApp({
  http: async (fastify) => {
    fastify.get('/', async () => ({ hello: 'jobs', pid: process.pid }));
    fastify.post('/digests', async (_request, reply) => {
      await trigger('send-digests');
      return reply.code(202).send({ asked: 'send-digests' });
    });
  },
  cron: {
    heartbeat: {
      every: '10 s',
      missed: 'skip',
      run: ({ log, runId }) => log.info({ beat: runId }, 'still here'),
    },
    'send-digests': {
      schedule: '0 7 * * 1-5',
      timezone: 'Europe/Paris',
      timeout: '10m',
      retries: 3,
      run: async (job) => {
        for (const [index, user] of users.entries()) {
          // The worker has to stop: what is left is done by the next one.
          if (job.signal.aborted) return;
          job.log.info({ user }, 'a digest is sent');
          const left = await job.progress(index + 1, users.length - index - 1);
          // Others are waiting for their turn.
          if (left < 1) return;
        }
      },
    },
  },
});

export default app;
