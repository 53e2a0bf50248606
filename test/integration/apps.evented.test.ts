import { apps } from './apps.ts';

apps('evented');
