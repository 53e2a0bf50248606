import { health } from './health.ts';

health('evented');
