/** Puts the lines of the app that an error is about before its stack. Lives in the worker, which could not boot. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { WireError } from '../errors.ts';
import { codeFrame } from './code-frame.ts';
import { findPlace } from './place.ts';

/** src/ or dist/src/, with a slash at its end. */
const TRICORN = fileURLToPath(new URL('..', import.meta.url));

export function framed(error: WireError): WireError {
  if (error.stack === '') return error;
  const { place, rest } = findPlace(error.stack, { read, tricorn: TRICORN });
  if (!place) return error;
  const { file, text, line, column } = place;
  return { ...error, stack: `${file}:${line}:${column}\n${codeFrame(text, line, column)}\n\n${rest}` };
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
