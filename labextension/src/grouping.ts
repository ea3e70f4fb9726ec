/** Folds runs into rows: a job's runs are one row, and a sweep's points, until it is opened. */
import { IRun } from './types';

export interface IRunRow {
  readonly key: string;
  readonly run: IRun;
  /** What folds: the name of a job or a sweep, "" for a run by itself. */
  readonly group: string;
  /** Runs that the row stands for; 0 for one inside an open group. */
  readonly count: number;
  readonly isInside: boolean;
}

/** Return the rows to list, in the order of the runs; a group stands where its newest run does. */
export function rowsOf(
  runs: readonly IRun[],
  opened: ReadonlySet<string>,
  filter: string
): IRunRow[] {
  const wanted = matching(runs, filter);
  const groups = new Map<string, IRun[]>();
  for (const run of wanted) {
    const key = groupOf(run) || `run ${run.run}`;
    const found = groups.get(key);
    if (found) {
      found.push(run);
    } else {
      groups.set(key, [run]);
    }
  }
  const rows: IRunRow[] = [];
  for (const [key, members] of groups) {
    const group = groupOf(members[0]);
    rows.push({ key, run: members[0], group, count: members.length, isInside: false });
    if (group && opened.has(key)) {
      members
        .slice(1)
        .forEach(run =>
          rows.push({ key: `run ${run.run}`, run, group, count: 0, isInside: true })
        );
    }
  }
  return rows;
}

/** The runs that have every word of a filter. */
export function matching(runs: readonly IRun[], filter: string): readonly IRun[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  return words.length > 0 ? runs.filter(run => matches(run, words)) : runs;
}

function groupOf(run: IRun): string {
  return run.sweep ? `sweep ${run.sweep}` : run.job ? `job ${run.job}` : '';
}

function matches(run: IRun, words: readonly string[]): boolean {
  const named = (values: { readonly [name: string]: unknown }) =>
    Object.entries(values).map(([name, value]) => `${name}=${String(value)}`);
  const whole = [
    run.run,
    run.job,
    run.sweep,
    run.notebook,
    run.status,
    run.trigger,
    ...named(run.parameters),
    ...named(run.metrics)
  ]
    .join(' ')
    .toLowerCase();
  return words.every(word => whole.includes(word));
}
