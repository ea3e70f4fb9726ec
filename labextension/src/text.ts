/** Every sentence of the panel goes through JupyterLab's translation. */
import { ITranslator, nullTranslator, TranslationBundle } from '@jupyterlab/translation';
import { State } from './types';

/** `locale` is the language of dates; undefined: the browser's own. */
export const text: { trans: TranslationBundle; locale: string | undefined } = {
  trans: nullTranslator.load('mlops_nb'),
  locale: undefined
};

/** Speak the language of a translator from now on. */
export function speak(translator: ITranslator): void {
  const { languageCode } = translator;
  text.trans = translator.load('mlops_nb');
  text.locale = languageCode === 'en' ? undefined : languageCode.replace('_', '-');
}

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

/** The status of a run, a job or a version as people read it; one that is not known as it is. */
export function statusWord(status: string): string {
  const { trans } = text;
  const words: { readonly [status: string]: string } = {
    queued: trans.__('queued'),
    running: trans.__('running'),
    finished: trans.__('finished'),
    failed: trans.__('failed'),
    stopped: trans.__('stopped'),
    refused: trans.__('refused'),
    skipped: trans.__('skipped'),
    waiting: trans.__('waits for approval'),
    draft: trans.__('draft'),
    active: trans.__('active'),
    paused: trans.__('paused'),
    champion: trans.__('champion'),
    previous: trans.__('previous'),
    retired: trans.__('retired')
  };
  return words[status] ?? status;
}

/** Why a run began, as people read it. */
export function triggerWord(trigger: string): string {
  const { trans } = text;
  const words: { readonly [trigger: string]: string } = {
    hand: trans.__('by hand'),
    promote: trans.__('promotion'),
    schedule: trans.__('schedule'),
    backfill: trans.__('backfill')
  };
  return words[trigger] ?? trigger;
}

/** Seconds as people read them. */
export function duration(seconds: number | null | undefined): string {
  if (seconds === null || seconds === undefined) {
    return '';
  }
  const { trans } = text;
  if (seconds < 10) {
    return trans.__('%1 s', seconds.toFixed(seconds < 1 ? 2 : 1));
  }
  const whole = Math.round(seconds);
  if (whole < 60) {
    return trans.__('%1 s', whole);
  }
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? trans.__('%1 min %2 s', minutes, whole % 60)
    : trans.__('%1 h %2 min', Math.floor(minutes / 60), minutes % 60);
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
  return at.toLocaleString(text.locale, {
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
    ? at.toLocaleTimeString(text.locale, { hour: '2-digit', minute: '2-digit' })
    : at.toLocaleDateString(text.locale, { month: 'short', day: 'numeric' }) +
        ' ' +
        at.toLocaleTimeString(text.locale, { hour: '2-digit', minute: '2-digit' });
}
