import { health } from './health.ts';

health('threaded');
