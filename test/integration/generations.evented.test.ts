import { generations } from './generations.ts';

generations('evented');
