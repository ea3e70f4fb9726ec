/** Remembers, over a reload of the page, which source gave each cell its result. */

/** The source that gave an execution count its result. */
export interface IRan {
  readonly source: string;
  readonly count: number | null;
}

/** Answer what this tab knew of the notebook at `path`, by the cells' ids. */
export function recall(path: string): Map<string, IRan> {
  const text = sessionStorage.getItem(key(path));
  return new Map(text === null ? [] : (JSON.parse(text) as [string, IRan][]));
}

/** Keep what is known of the notebook at `path` for as long as the tab lives. */
export function remember(path: string, ran: ReadonlyMap<string, IRan>): void {
  try {
    sessionStorage.setItem(key(path), JSON.stringify([...ran]));
  } catch (reason) {
    // a full store costs only this: after a reload an old edit shows as finished
    console.warn(`mlops-nb: the runs of ${path} will not outlive a reload:`, reason);
  }
}

function key(path: string): string {
  return `mlops-nb:ran:${path}`;
}
