import { liveSettings } from './live.ts';

liveSettings('threaded');
