import { liveCron } from './live-cron.ts';

liveCron('prefork');
