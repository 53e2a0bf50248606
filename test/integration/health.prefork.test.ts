import { health } from './health.ts';

health('prefork');
