/** What a step is doing, told from what its cells are doing. */

export const STATES = [
  'never-run',
  'queued',
  'running',
  'finished',
  'failed',
  'edited'
] as const;

export type State = (typeof STATES)[number];

/** The state as words, for labels and the legend. */
export function words(state: State): string {
  return state.replace('-', ' ');
}

/**
 * Fold the states of a step's cells into the step's own.
 *
 * `midway` says that a cell of the step has run in the present batch, so that a
 * step does not fall back to `queued` between two of its cells.
 */
export function fold(cells: readonly State[], midway: boolean): State {
  if (cells.includes('running')) {
    return 'running';
  }
  if (cells.includes('queued')) {
    return midway ? 'running' : 'queued';
  }
  if (cells.includes('failed')) {
    return 'failed';
  }
  if (cells.includes('edited')) {
    return 'edited';
  }
  const all = cells.length > 0 && cells.every(state => state === 'finished');
  return all ? 'finished' : 'never-run';
}
