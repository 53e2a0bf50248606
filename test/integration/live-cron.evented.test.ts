import { liveCron } from './live-cron.ts';

liveCron('evented');
