/**
 * Loads what an app will need, but nothing of the app: most of the time of a reload goes by with that. Lives in a spare
 * worker, in the event loop that is going to run the app.
 */
import { enableCompileCache, stripTypeScriptTypes } from 'node:module';
import { importFastify } from '../app/forms/fastify.ts';
import type { LoopBoot } from '../protocol.ts';

export async function warmUp({ config, warmFor = '' }: LoopBoot): Promise<void> {
  try {
    enableCompileCache();
    if (/\.m?ts$/.test(config.app)) loadStripper();
    if (warmFor.startsWith('fastify')) await warmFastify(config.app);
    else if (warmFor === 'fetch') await import('../app/forms/fetch.ts');
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
async function warmFastify(app: string): Promise<void> {
  const { fastify } = await importFastify(app);
  const instance = fastify();
  const schema = { querystring: { type: 'object', properties: { x: { type: 'integer' } } } };
  instance.get('/', { schema: { ...schema, response: { 200: schema.querystring } } }, async () => ({ x: 1 }));
  await instance.ready();
  await instance.close();
}
