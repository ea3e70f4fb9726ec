/** The panel in the left side bar: the graph, its legend, parameters and warnings. */
import { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { ICodeCell, IGraph, IProblem } from './ask';
import { Glyph } from './glyphs';
import { Graph } from './graph';
import { IStanding, Pipeline } from './pipeline';
import { STATES, words } from './states';

/** px: the margin left and right of the graph. */
const MARGIN = 16;

export class PipelinePanel extends ReactWidget {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly trans: TranslationBundle,
    private readonly onPick: (step: string) => void
  ) {
    super();
    this.id = 'mlops-nb-panel';
    this.addClass('mlops-panel');
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.pipeline.isWatched = true;
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.pipeline.isWatched = false;
  }

  protected onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    const room = Math.max(MARGIN, message.width - MARGIN);
    if (message.width > 0 && room !== this.room) {
      this.room = room;
      this.update();
    }
  }

  protected render(): JSX.Element {
    const { pipeline, trans, onPick, room } = this;
    return (
      <UseSignal signal={pipeline.changed}>
        {() => <View pipeline={pipeline} trans={trans} onPick={onPick} room={room} />}
      </UseSignal>
    );
  }

  private room = 280;
}

interface IViewProps {
  readonly pipeline: Pipeline;
  readonly trans: TranslationBundle;
  readonly onPick: (step: string) => void;
  readonly room: number;
}

function View({ pipeline, trans, onPick, room }: IViewProps): JSX.Element {
  const { path, graph, problem } = pipeline;
  const standings = pipeline.standings();
  if (path === null) {
    return <p className="mlops-empty">{trans.__('Open a notebook to see its pipeline.')}</p>;
  }
  return (
    <>
      <Head path={path} graph={graph} trans={trans} />
      <News standings={standings} />
      {problem && <Problem problem={problem} trans={trans} />}
      {graph && graph.steps.length === 0 && <NoSteps trans={trans} />}
      {!graph && !problem && (
        <p className="mlops-empty">{trans.__('Reading the notebook…')}</p>
      )}
      {graph && graph.steps.length > 0 && (
        <>
          <div className={`mlops-canvas${problem ? ' mlops-old' : ''}`}>
            <Graph
              graph={graph}
              standings={standings}
              activeStep={pipeline.activeStep}
              label={trans.__('Pipeline of %1', path)}
              room={room}
              onPick={onPick}
            />
          </div>
          <Legend trans={trans} />
          <Evidence standings={standings} trans={trans} />
        </>
      )}
      {graph && <Facts graph={graph} trans={trans} />}
    </>
  );
}

function Head(props: {
  path: string;
  graph: IGraph | null;
  trans: TranslationBundle;
}): JSX.Element {
  const { path, graph, trans } = props;
  const count = graph?.steps.length ?? 0;
  return (
    <header className="mlops-head">
      <h2 title={path}>{path.split('/').pop()}</h2>
      {graph && <span>{trans._n('%1 step', '%1 steps', count, count)}</span>}
    </header>
  );
}

/** Reads each change of state to those who cannot see the colours. */
function News({ standings }: { standings: ReadonlyMap<string, IStanding> }): JSX.Element {
  const before = React.useRef<ReadonlyMap<string, IStanding>>(standings);
  const [said, say] = React.useState('');
  React.useEffect(() => {
    const changed = [...standings].filter(([name, { state }]) => {
      const old = before.current.get(name);
      return old !== undefined && old.state !== state;
    });
    before.current = standings;
    if (changed.length > 0) {
      say(changed.map(([name, { state }]) => `${name}: ${words(state)}`).join(', '));
    }
  });
  return (
    <div className="mlops-unseen" role="status" aria-live="polite">
      {said}
    </div>
  );
}

function Problem(props: { problem: IProblem; trans: TranslationBundle }): JSX.Element {
  const { error, fix, where } = props.problem;
  return (
    <section className="mlops-problem" role="alert">
      <p>
        {error}
        {where && <small> ({where})</small>}
      </p>
      {fix && (
        <p>
          <b>{props.trans.__('Fix:')}</b> <span className="mlops-fix">{fix}</span>
        </p>
      )}
    </section>
  );
}

function NoSteps({ trans }: { trans: TranslationBundle }): JSX.Element {
  return (
    <p className="mlops-empty">
      {trans.__('No steps yet: start a cell with ')}
      <code>%mlops step NAME</code>
      {trans.__(', or add a heading.')}
    </p>
  );
}

function Legend({ trans }: { trans: TranslationBundle }): JSX.Element {
  return (
    <ul className="mlops-legend" aria-label={trans.__('Legend')}>
      {STATES.map(state => (
        <li key={state} data-state={state}>
          <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
            <Glyph state={state} />
          </svg>
          {words(state)}
        </li>
      ))}
    </ul>
  );
}

/** Says so where a state was not seen to come about in this kernel. */
function Evidence(props: {
  standings: ReadonlyMap<string, IStanding>;
  trans: TranslationBundle;
}): JSX.Element | null {
  const { standings, trans } = props;
  const all = new Set([...standings.values()].map(({ evidence }) => evidence));
  if (all.has('restarted')) {
    return (
      <p className="mlops-note">
        {trans.__('The kernel restarted or stopped: what ran before is no longer in its memory.')}
      </p>
    );
  }
  if (all.has('saved')) {
    return (
      <p className="mlops-note">
        {trans.__('Some states are as the notebook was saved, not runs seen here.')}
      </p>
    );
  }
  return null;
}

function Facts({ graph, trans }: { graph: IGraph; trans: TranslationBundle }): JSX.Element {
  const rest = leftOver(graph.cells, trans);
  return (
    <>
      {graph.warnings.length > 0 && (
        <section className="mlops-section mlops-warnings">
          <h3>{trans.__('Warnings')}</h3>
          <ul>
            {graph.warnings.map((warning, place) => (
              <li key={place}>{sentence(warning)}</li>
            ))}
          </ul>
        </section>
      )}
      {graph.parameters.length > 0 && (
        <section className="mlops-section">
          <h3>{trans.__('Parameters')}</h3>
          <dl className="mlops-parameters">
            {graph.parameters.map(({ name, value, type }) => (
              <div key={name} title={type}>
                <dt>{name}</dt>
                <dd>= {JSON.stringify(value)}</dd>
              </div>
            ))}
          </dl>
        </section>
      )}
      {rest && <p className="mlops-note">{rest}</p>}
    </>
  );
}

function leftOver(cells: readonly ICodeCell[], trans: TranslationBundle): string {
  const count = (kind: ICodeCell['kind']) => cells.filter(cell => cell.kind === kind).length;
  const parts = [
    [count('setup'), trans.__('set-up')],
    [count('scratch'), trans.__('scratch')],
    [count('empty'), trans.__('empty')]
  ].filter(([number]) => number !== 0);
  const list = parts.map(([number, kind]) => `${number} ${kind}`).join(', ');
  return list && trans.__('Cells outside the steps: %1.', list);
}

/** A warning is a sentence, or an object that carries one as `what`. */
function sentence(warning: unknown): string {
  if (typeof warning === 'object' && warning !== null) {
    const { what, fix } = warning as { what?: unknown; fix?: unknown };
    if (typeof what === 'string') {
      return typeof fix === 'string' ? `${what}. Fix: ${fix}` : what;
    }
    return JSON.stringify(warning);
  }
  return String(warning);
}
