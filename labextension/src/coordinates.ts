/** Places runs on parallel axes, one for each parameter that differs and each metric. */

export interface IRunValues {
  readonly run: string;
  readonly parameters: { readonly [name: string]: unknown };
  readonly metrics: { readonly [name: string]: unknown };
}

/** `at` is a place on an axis, from 0 (below) to 1. */
export interface ITick {
  readonly value: unknown;
  readonly at: number;
}

export interface IAxis {
  readonly name: string;
  readonly kind: 'parameter' | 'metric';
  readonly ticks: readonly ITick[];
}

export interface ILine {
  readonly run: string;
  /** Its place on each axis, null where it has no value. */
  readonly places: readonly (number | null)[];
}

/** About as many ticks as an axis of numbers has. */
const TICKS = 4;
/** Names that an axis of texts shows. */
const MOST_NAMES = 8;

/** The axes, parameters before metrics, and a line for each run. */
export function coordinates(runs: readonly IRunValues[]): {
  axes: IAxis[];
  lines: ILine[];
} {
  const axes: IAxis[] = [];
  const columns: (number | null)[][] = [];
  for (const kind of ['parameter', 'metric'] as const) {
    const valuesOf = (run: IRunValues) => (kind === 'parameter' ? run.parameters : run.metrics);
    const names = [...new Set(runs.flatMap(run => Object.keys(valuesOf(run))))];
    for (const name of names) {
      const values = runs.map(run => valuesOf(run)[name]);
      if (kind === 'metric' || new Set(values.map(keyOf)).size > 1) {
        const [ticks, places] = scale(values);
        if (ticks.length > 0) {
          axes.push({ name, kind, ticks });
          columns.push(places);
        }
      }
    }
  }
  const lines = runs.map(({ run }, row) => ({ run, places: columns.map(column => column[row]) }));
  return { axes, lines };
}

function keyOf(value: unknown): string {
  return JSON.stringify(value) ?? '';
}

function scale(values: readonly unknown[]): [ITick[], (number | null)[]] {
  const there = values.filter(value => value !== undefined && value !== null);
  const numbers = there.filter(
    (value): value is number => typeof value === 'number' && Number.isFinite(value)
  );
  return numbers.length > 0 && there.every(value => typeof value === 'number')
    ? ofNumbers(values, Math.min(...numbers), Math.max(...numbers))
    : ofTexts(values, there);
}

function ofNumbers(
  values: readonly unknown[],
  low: number,
  high: number
): [ITick[], (number | null)[]] {
  const at = (value: number) => (high > low ? (value - low) / (high - low) : 0.5);
  const places = values.map(value =>
    typeof value === 'number' && Number.isFinite(value) ? at(value) : null
  );
  return [steps(low, high).map(value => ({ value, at: at(value) })), places];
}

/** Round numbers from low to high; where there is none between, these two. */
function steps(low: number, high: number): number[] {
  if (!(high > low)) {
    return [low];
  }
  const rough = (high - low) / TICKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find(one => one * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const found = [];
  for (let number = first; number <= last; number += 1) {
    found.push(Math.min(high, Math.max(low, Number((number * step).toPrecision(12)))));
  }
  return found.length > 1 ? found : [low, high];
}

function ofTexts(
  values: readonly unknown[],
  there: readonly unknown[]
): [ITick[], (number | null)[]] {
  const known = new Map(there.map(value => [keyOf(value), value]));
  const keys = [...known.keys()].sort();
  const at = (key: string) => (keys.length > 1 ? keys.indexOf(key) / (keys.length - 1) : 0.5);
  const every = Math.ceil(keys.length / MOST_NAMES);
  const ticks = keys
    .filter((_, place) => place % every === 0)
    .map(key => ({ value: known.get(key), at: at(key) }));
  const places = values.map(value =>
    value === undefined || value === null ? null : at(keyOf(value))
  );
  return [ticks, places];
}
