import { liveSettings } from './live.ts';

liveSettings('prefork');
