import { canaries } from './canary.ts';

canaries('evented');
