/** Small pieces that the tabs share: buttons, problems, confirmations, shapes of states. */
import * as React from 'react';
import { LabIcon } from '@jupyterlab/ui-components';
import { Glyph } from './glyphs';
import { Answer } from './server';
import { text, wordOf } from './text';
import { IGate, IProblem, State } from './types';

export interface IActionProps {
  /** The value of data-action. */
  readonly action: string;
  readonly label: string;
  readonly title?: string;
  readonly icon?: LabIcon;
  readonly isSmall?: boolean;
  readonly isPrimary?: boolean;
  readonly disabled?: boolean;
  readonly onClick: () => void | Promise<unknown>;
}

/** A button; while what it started goes on, it cannot be pressed again. */
export function Action(props: IActionProps): JSX.Element {
  const [isBusy, setBusy] = React.useState(false);
  const isThere = React.useRef(true);
  React.useEffect(() => {
    isThere.current = true;
    return () => {
      isThere.current = false;
    };
  }, []);
  const press = async (event: React.MouseEvent) => {
    event.stopPropagation();
    setBusy(true);
    try {
      await props.onClick();
    } finally {
      if (isThere.current) {
        setBusy(false);
      }
    }
  };
  const { icon, label, isSmall } = props;
  const classes = ['mlops-action', isSmall && 'mlops-small', props.isPrimary && 'mlops-primary'];
  return (
    <button
      type="button"
      className={classes.filter(Boolean).join(' ')}
      data-action={props.action}
      title={props.title ?? label}
      aria-label={isSmall ? label : undefined}
      aria-busy={isBusy || undefined}
      disabled={props.disabled || isBusy}
      onClick={event => void press(event)}
    >
      {icon && <icon.react tag="span" className="mlops-icon" aria-hidden="true" />}
      {!isSmall && <span>{label}</span>}
    </button>
  );
}

export function Problem(props: { problem: IProblem; onClose?: () => void }): JSX.Element {
  const { error, fix, where } = props.problem;
  return (
    <section className="mlops-problem" role="alert">
      {props.onClose && <CloseButton onClose={props.onClose} />}
      <p>
        {error}
        {where && <small> ({where})</small>}
      </p>
      {fix && (
        <p>
          <b>{text.trans.__('Fix:')}</b> <span className="mlops-fix">{fix}</span>
        </p>
      )}
    </section>
  );
}

export function CloseButton({ onClose }: { onClose: () => void }): JSX.Element {
  return (
    <button
      type="button"
      className="mlops-close"
      aria-label={text.trans.__('Close')}
      onClick={onClose}
    >
      ×
    </button>
  );
}

/** Asks once before something changes a live model, and says what will happen. */
export function Confirm(props: {
  children: React.ReactNode;
  label: string;
  onConfirm: () => Promise<unknown>;
  onCancel: () => void;
}): JSX.Element {
  return (
    <div className="mlops-confirm" role="group" aria-label={text.trans.__('Confirm')}>
      <div>{props.children}</div>
      <div className="mlops-actions">
        <Action action="confirm" label={props.label} isPrimary onClick={props.onConfirm} />
        <Action
          action="cancel"
          label={text.trans.__('Cancel')}
          onClick={() => props.onCancel()}
        />
      </div>
    </div>
  );
}

/** The shape of a state, with its word for those who cannot see it. */
export function StateMark({ state }: { state: State }): JSX.Element {
  return (
    <svg
      className="mlops-state"
      viewBox="0 0 16 16"
      width="14"
      height="14"
      role="img"
      aria-label={wordOf(state)}
    >
      <Glyph state={state} />
    </svg>
  );
}

/** The state whose shape a status of a run has. */
export function shapeOf(status: string): State {
  switch (status) {
    case 'finished':
    case 'released':
    case 'succeeded':
      return 'finished';
    case 'queued':
    case 'running':
      return status;
    case 'refused':
    case 'stopped':
    case 'skipped':
    case 'waiting':
      return 'stale';
    default:
      return 'failed';
  }
}

/** Gates, each with its verdict and the figures behind it. */
export function Gates({ gates }: { gates: readonly IGate[] }): JSX.Element {
  return (
    <>
      {gates.map(gate => (
        <p key={gate.gate} className="mlops-gate" data-passed={gate.passed}>
          {gate.passed ? '✓' : '✗'} {gate.because || gate.gate}
        </p>
      ))}
    </>
  );
}

/** Metrics as one line: the first ones that fit. */
export function Metrics(props: {
  metrics: { readonly [name: string]: unknown };
  most?: number;
  format: (value: unknown) => string;
}): JSX.Element | null {
  const all = Object.entries(props.metrics);
  if (all.length === 0) {
    return null;
  }
  return (
    <span className="mlops-metrics">
      {all.slice(0, props.most ?? all.length).map(([name, value]) => (
        <span key={name}>
          {name} <b>{props.format(value)}</b>
        </span>
      ))}
    </span>
  );
}

/** Keeps the last problem of a tab's actions, and shows it. */
export function useProblem(): [
  JSX.Element | null,
  <T>(doing: Promise<Answer<T>>) => Promise<T | null>
] {
  const [problem, setProblem] = React.useState<IProblem | null>(null);
  const shown = problem && <Problem problem={problem} onClose={() => setProblem(null)} />;
  const tried = async <T,>(doing: Promise<Answer<T>>): Promise<T | null> => {
    setProblem(null);
    const found = await doing;
    if ('problem' in found) {
      setProblem(found.problem);
      return null;
    }
    return found.answer;
  };
  return [shown, tried];
}
