/** Lays out edges as lanes beside a list of steps, as a log of branches draws them. */
import { Edge } from './types';

/** The lanes at one row, as columns from 0. */
export interface ILaneRow {
  /** Where the step itself stands. */
  readonly column: number;
  /** Lanes that pass the row from top to bottom. */
  readonly through: readonly number[];
  /** Lanes from above that end in the step or branch off to it. */
  readonly into: readonly number[];
  /** Whether the step's own lane goes on below. */
  readonly goesOn: boolean;
}

/** Columns that fit beside the names in a panel of 250 px; more edges share the last one. */
export const MOST_COLUMNS = 6;

/**
 * Give each step a column: the one of an input that ends there, or else the first free one.
 *
 * Edges that go up, which no pipeline has, are left out.
 */
export function lanesOf(steps: readonly string[], edges: readonly Edge[]): ILaneRow[] {
  const place = new Map(steps.map((name, row) => [name, row]));
  const inputs: number[][] = steps.map(() => []);
  const last: number[] = steps.map((_, row) => row);
  for (const [from, to] of edges) {
    const source = place.get(from);
    const target = place.get(to);
    if (source !== undefined && target !== undefined && source < target) {
      inputs[target].push(source);
      last[source] = Math.max(last[source], target);
    }
  }
  const columns: number[] = [];
  const taken: (number | null)[] = []; // column → the step whose lane it is
  return steps.map((_, row) => {
    const before = taken
      .map((step, column) => [step, column] as const)
      .filter((lane): lane is readonly [number, number] => lane[0] !== null);
    const into = [...new Set(inputs[row].map(source => columns[source]))].sort((a, b) => a - b);
    const through = before.filter(([step]) => last[step] > row).map(([, column]) => column);
    before.filter(([step]) => last[step] <= row).forEach(([, column]) => (taken[column] = null));
    const free = taken.findIndex(step => step === null);
    const column = Math.min(free < 0 ? taken.length : free, MOST_COLUMNS - 1);
    columns[row] = column;
    const goesOn = last[row] > row;
    if (goesOn && (taken[column] ?? null) === null) {
      taken[column] = row;
    } else if (goesOn) {
      const other = taken[column] as number; // the last column is shared
      last[other] = Math.max(last[other], last[row]);
    }
    return { column, through, into, goesOn };
  });
}
