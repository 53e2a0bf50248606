import { apps } from './apps.ts';

apps('threaded');
