/** The errors that both engines raise. */
import { didYouMean } from '../config/nearest.ts';
import { showText } from '../config/show.ts';
import { TricornError } from '../errors.ts';

/** @param place without secrets */
export function storeError(place: string, reason: string, cause?: unknown): TricornError {
  return new TricornError('TRC_STORE', { place, reason }, { cause });
}

export function unknownJob(name: string, known: readonly string[]): TricornError {
  return new TricornError('TRC_JOB_UNKNOWN', { name: showText(name), question: didYouMean(name, known) });
}
