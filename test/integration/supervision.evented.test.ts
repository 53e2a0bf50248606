import { supervision } from './supervision.ts';

supervision('evented');
