import { liveSettings } from './live.ts';

liveSettings('evented');
