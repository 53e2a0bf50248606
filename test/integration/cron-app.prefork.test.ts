import { cronApps } from './cron-app.ts';

cronApps('prefork');
