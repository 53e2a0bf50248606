/**
 * Entry of the monitor thread: in prefork and evented mode it watches the main thread of its worker process from
 * outside. It never runs app code.
 */
import { holdLifeline } from './lifeline.ts';
import { mainThreadStack } from './stacks.ts';

holdLifeline(async () => [{ thread: 0, ...(await mainThreadStack()) }]);
