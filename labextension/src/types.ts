/** The shapes of what Python answers. */

/** The states of a step; `queued` and `running` are known to the browser alone. */
export const STATES = [
  'never',
  'queued',
  'running',
  'finished',
  'reused',
  'stale',
  'failed'
] as const;
export type State = (typeof STATES)[number];

export interface IStep {
  readonly name: string;
  readonly title: string;
  readonly cells: readonly number[];
  readonly uses: readonly string[];
  readonly makes: readonly string[];
  readonly parameters: readonly string[];
  readonly after: readonly string[];
}

/** `position` counts all cells from 0. */
export interface ICodeCell {
  readonly index: number;
  readonly position: number;
  readonly id: string | null;
  readonly kind: 'step' | 'setup' | 'scratch' | 'parameters' | 'empty';
  readonly step: string | null;
}

export interface IParameter {
  readonly name: string;
  readonly value: unknown;
  readonly type: string;
}

export interface IFinding {
  readonly kind: string;
  readonly what: string;
  readonly fix: string;
  readonly cell: number | null;
  readonly severity?: 'stops' | 'warns';
}

/** What mends a finding that has the same kind, cell and sentence. */
export interface IMend {
  readonly kind: string;
  readonly cell: number | null;
  readonly what: string;
  readonly edit: 'insert' | 'source' | 'tag' | 'run';
  /** The text that the cell must still have. */
  readonly before: string;
  readonly after: string;
  readonly tag: string;
}

/** An edge is [from, to, the names that go along it]. */
export type Edge = readonly [string, string, readonly string[]];

/** The object of `graph --json`. */
export interface IGraph {
  readonly notebook: string;
  readonly parameters: readonly IParameter[];
  readonly steps: readonly IStep[];
  readonly edges: readonly Edge[];
  readonly cells: readonly ICodeCell[];
  readonly warnings: readonly IFinding[];
}

/** How a step stands in the kernel; `ids` are those of its cells. */
export interface IStepState {
  readonly state: State;
  readonly because: string;
  readonly seconds: number | null;
  readonly ids: readonly string[];
}

/** A notebook's pipeline, and how it stands in a kernel. */
export interface IPipelineState {
  readonly digest: string;
  readonly graph: IGraph;
  /** For each step, the steps that depend on it. */
  readonly onward: { readonly [step: string]: readonly string[] };
  readonly steps: { readonly [step: string]: IStepState };
  readonly stale: readonly string[];
  readonly models: { readonly [variable: string]: string };
  readonly metrics: readonly string[];
  readonly mends: readonly IMend[];
  /** Metrics as they are in the kernel. */
  readonly values?: { readonly [metric: string]: number };
  readonly revision?: number;
}

/** What went wrong, where, and how to fix it. */
export interface IProblem {
  readonly error: string;
  readonly fix: string;
  readonly where: string;
}

export interface IGate {
  readonly gate: string;
  readonly passed: boolean;
  readonly because: string;
}

export interface IRun {
  readonly run: string;
  readonly job: string;
  readonly sweep: string;
  readonly notebook: string;
  readonly has_notebook: boolean;
  readonly trigger: string;
  readonly status: string;
  readonly started: string;
  readonly seconds: number | null;
  readonly parameters: { readonly [name: string]: unknown };
  readonly metrics: { readonly [name: string]: number };
  readonly because: string;
  readonly gates: readonly IGate[];
  readonly model_version: number | null;
}

/** A row of `history --json`. */
export interface IHistoryRow {
  readonly run: string;
  readonly trigger: string;
  readonly started: string | null;
  readonly finished: string | null;
  readonly status: string;
  readonly because: string;
  readonly metrics: { readonly [name: string]: number };
  readonly gates: readonly IGate[];
  readonly model_version: number | null;
}

/** A cron line, its time zone, and what it says in words. */
export interface ISchedule {
  readonly cron: string;
  readonly timezone: string;
  readonly words: string;
}

export interface IJob {
  readonly job: string;
  /** The path of its notebook on this server, "" if it shows none. */
  readonly notebook: string;
  readonly status: string;
  readonly schedule: ISchedule | null;
  readonly triggers: readonly string[];
  readonly next: string | null;
  readonly last: IHistoryRow | null;
  readonly differs_from_notebook: readonly string[] | boolean | null;
}

export interface IVersion {
  readonly version: number;
  readonly run: string;
  readonly created: string;
  readonly metrics: { readonly [name: string]: number };
  readonly status: 'champion' | 'previous' | 'waiting' | 'retired';
}

export interface IModel {
  readonly name: string;
  readonly champion: number | null;
  readonly versions: readonly IVersion[];
}

export interface IAlert {
  readonly alert: string;
  readonly job: string;
  readonly kind: string;
  readonly what: string;
  readonly fix: string;
  readonly urgent: boolean;
  readonly since: string;
  readonly acked_until: string | null;
}

/** The lists of a project. */
export interface IProject {
  readonly mark: string;
  readonly scheduler_runs: boolean;
  readonly runs: readonly IRun[];
  readonly more_runs: boolean;
  readonly jobs: readonly IJob[];
  readonly models: readonly IModel[];
  readonly alerts: readonly IAlert[];
}

/** The answer of a dry run or a promotion. */
export interface IPromotion {
  readonly job: string;
  readonly bundle: string | null;
  readonly proof: {
    readonly equal: boolean;
    readonly because: string;
    readonly steps: readonly { readonly name: string; readonly equal: boolean }[];
  };
  readonly gates: readonly (IGate & { readonly value: number | null })[];
  readonly schedule: (ISchedule & { readonly next: readonly string[] }) | null;
  readonly left_out: readonly { readonly label: string; readonly why: string }[];
  readonly passed: boolean;
  readonly because: string;
  readonly changes: readonly string[];
}

/** A row of `metrics` of `watch --json`. */
export interface IWatchMetric {
  readonly metric: string;
  readonly value: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly labels: number;
  readonly coverage: number;
  readonly model_version: number | null;
}

export interface IWatch {
  readonly rows: number;
  readonly dropped: number;
  readonly metrics: readonly IWatchMetric[];
  readonly drift: readonly {
    readonly column: string;
    readonly statistic: string;
    readonly value: number;
    readonly threshold: number;
    readonly drifted: boolean;
    readonly direction: string;
  }[];
  readonly alerts: readonly { readonly kind: string; readonly what: string }[];
}
