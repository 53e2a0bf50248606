import { crashes } from './crashes.ts';

crashes('evented');
