/**
 * Loads and runs what an app will need, but nothing of the app: most of the time of a reload goes by with that. Lives in a
 * spare worker, in the event loop that is going to run the app.
 */
import { enableCompileCache, stripTypeScriptTypes } from 'node:module';
import type { FastifyInstance } from 'fastify';
import type { MountContext } from '../app/mount.ts';

/** @param form of the app that the generation before runs */
export async function warmUp(context: MountContext, form = ''): Promise<void> {
  try {
    enableCompileCache();
    if (/\.m?ts$/.test(context.config.app)) loadStripper();
    if (form.startsWith('fastify')) await warmFastify(context);
    else if (form === 'fetch') await import('../app/forms/fetch.ts');
    else await import('../app/forms/listener.ts');
  } catch {
    // Whatever is wrong, the boot of the app says it better; and it only takes longer.
  }
}

/** What strips the types is 100 ms to load; of a file that has changed, no cache has the result. */
function loadStripper(): void {
  const emitWarning = process.emitWarning.bind(process);
  // It is experimental by this name, which is no concern of whoever develops an app.
  process.emitWarning = () => {};
  try {
    stripTypeScriptTypes('');
  } finally {
    process.emitWarning = emitWarning;
  }
}

/** Fastify loads some of itself, such as its compilers of schemas, when a first route asks for it. */
async function warmFastify(context: MountContext): Promise<void> {
  const { mountPlugin } = await import('../app/forms/fastify.ts');
  const value = async (fastify: FastifyInstance): Promise<void> => {
    const object = { type: 'object', properties: { text: { type: 'string' }, count: { type: 'integer', default: 1 } } };
    const schema = { querystring: object, body: object, response: { 200: object } };
    fastify.get('/', { schema: { querystring: object, response: schema.response } }, async () => ({ text: '' }));
    fastify.post('/', { schema }, async () => ({ count: 1 }));
  };
  const form = await mountPlugin(
    { form: 'fastify plugin', value, guessed: false, options: {}, hooks: {}, cron: undefined },
    { ...context, app_options: {} },
  );
  await form.ready();
  await form.close();
}
