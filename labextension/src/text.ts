/** Every sentence of the panel goes through JupyterLab's translation. */
import { nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { State } from './types';

export const text: { trans: TranslationBundle } = {
  trans: nullTranslator.load('mlops_nb')
};

/** A state as people read it. */
export function wordOf(state: State): string {
  const { trans } = text;
  const words: Record<State, string> = {
    never: trans.__('never'),
    queued: trans.__('queued'),
    running: trans.__('running'),
    finished: trans.__('finished'),
    reused: trans.__('reused'),
    stale: trans.__('stale'),
    failed: trans.__('failed')
  };
  return words[state];
}

/** Seconds as people read them. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) {
    return '';
  }
  if (seconds < 10) {
    return `${seconds.toFixed(seconds < 1 ? 2 : 1)} s`;
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A number with as many digits as tell something. */
export function figure(value: unknown): string {
  if (typeof value !== 'number') {
    return typeof value === 'string' ? value : JSON.stringify(value) ?? '';
  }
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}

/** A time in the zone that it was given in, such as a job's. */
export function zoned(iso: string): string {
  const at = new Date(`${iso.slice(0, 16)}Z`);
  return at.toLocaleString([], {
    weekday: 'short',
    month: 'short',
    day: 'numeric',
    hour: '2-digit',
    minute: '2-digit',
    hour12: false,
    timeZone: 'UTC'
  });
}

/** A time of Python as this browser's user reads it; the exact text stays in a title. */
export function moment(iso: string | null): string {
  if (!iso) {
    return '';
  }
  const at = new Date(iso);
  const isToday = at.toDateString() === new Date().toDateString();
  return isToday
    ? at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
    : at.toLocaleDateString([], { month: 'short', day: 'numeric' }) +
        ' ' +
        at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' });
}
