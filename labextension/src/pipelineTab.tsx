/** The tab of the notebook in focus: its steps, their states, and what runs them. */
import * as React from 'react';
import {
  fastForwardIcon,
  launchIcon,
  refreshIcon,
  runIcon,
  undoIcon
} from '@jupyterlab/ui-components';
import { FindStep, MANY_STEPS } from './find';
import { Graph } from './graph';
import { ParameterForm, Values } from './parameters';
import { Action, Problem, useProblem } from './parts';
import { stepsWith } from './search';
import { StepList } from './steps';
import { text, wordOf } from './text';
import { IFinding, IGraph, IRun, State } from './types';
import { IViews } from './views';
import { Wizard } from './wizard';

export function PipelineTab(views: IViews): JSX.Element {
  const { pipeline } = views;
  const [isPromoting, promote] = React.useState(false);
  const { path, state, problem } = pipeline;
  const { trans } = text;
  if (path === '') {
    return <p className="mlops-empty">{trans.__('Open a notebook to see its pipeline.')}</p>;
  }
  if (isPromoting && state) {
    return <Wizard {...views} state={state} onClose={() => promote(false)} />;
  }
  return (
    <>
      {problem && <Problem problem={problem} />}
      {pipeline.isUnwatched && <Unwatched {...views} />}
      {!state && !problem && <p className="mlops-empty">{trans.__('Reading the notebook…')}</p>}
      {state && state.graph.steps.length === 0 && <NoSteps />}
      {state && state.graph.steps.length > 0 && (
        <Steps {...views} onPromote={() => promote(true)} />
      )}
      {state && <Rest graph={state.graph} />}
    </>
  );
}

/** What there is to do where the kernel reports nothing. */
function Unwatched({ pipeline }: IViews): JSX.Element {
  const { trans } = text;
  const [said, say] = React.useState('');
  const load = async () => say(await pipeline.runLine('%load_ext mlops_nb'));
  return (
    <section className="mlops-hint">
      <p>
        {trans.__('This kernel does not report what runs. Start the notebook with')}{' '}
        <code>%load_ext mlops_nb</code>
      </p>
      {said && <p role="alert">{said}</p>}
      <Action action="follow" label={trans.__('Load it now')} onClick={load} />
    </section>
  );
}

/** The first three minutes. */
function NoSteps(): JSX.Element {
  const { trans } = text;
  return (
    <ol className="mlops-start">
      <li>
        {trans.__('Start the first cell with')} <code>%load_ext mlops_nb</code>
      </li>
      <li>
        {trans.__('Start a cell that makes data or a model with')} <code>%mlops step NAME</code>
        {trans.__(', or put a heading above it.')}
      </li>
      <li>{trans.__('Run the cells: each step appears here, with what it depends on.')}</li>
      <li>
        {trans.__('Put values that you want to change in a cell with the tag')}{' '}
        <code>parameters</code>
      </li>
      <li>{trans.__('Promote the notebook: it becomes a job that retrains by itself.')}</li>
    </ol>
  );
}

function Steps(props: IViews & { onPromote: () => void }): JSX.Element {
  const { pipeline, project, server, onPromote } = props;
  const { trans } = text;
  const [values, setValues] = React.useState<Values>({});
  const [problem, tried] = useProblem();
  const [restored, setRestored] = React.useState('');
  const [words, find] = React.useState('');
  const state = pipeline.state!;
  const { steps } = state.graph;
  const matches = React.useMemo(() => stepsWith(steps, words), [steps, words]);
  const found = words.trim() === '' ? null : new Set(matches);
  const run = async () => {
    await pipeline.save();
    const done = tried(server.run<IRun>(pipeline.path, 'run', { parameters: values }));
    window.setTimeout(() => void project.refresh(), 500);
    await Promise.race([done, new Promise(resolve => window.setTimeout(resolve, 1000))]);
  };
  const restore = async () => setRestored(await pipeline.runLine('%mlops restore'));
  return (
    <>
      <div className="mlops-toolbar" role="toolbar" aria-label={trans.__('Pipeline')}>
        <Action
          action="run-stale"
          label={trans.__('Run stale')}
          title={trans.__('Run the cells that are not up to date, in this kernel')}
          icon={fastForwardIcon}
          isPrimary
          disabled={state.stale.length === 0}
          onClick={() => pipeline.runCells(state.stale)}
        />
        <Action
          action="run"
          label={trans.__('Run in background')}
          title={trans.__('Run the saved notebook in a process of its own, and record it')}
          icon={runIcon}
          onClick={run}
        />
        <Action
          action="restore"
          label={trans.__('Restore')}
          title={trans.__('Load the results of steps that are up to date into this kernel')}
          icon={undoIcon}
          onClick={restore}
        />
        <Action
          action="promote"
          label={trans.__('Promote')}
          title={trans.__('Make a job of this notebook')}
          icon={launchIcon}
          onClick={onPromote}
        />
      </div>
      {restored && (
        <p className="mlops-problem" role="alert">
          {restored}
        </p>
      )}
      {problem}
      {steps.length >= MANY_STEPS && (
        <FindStep words={words} found={matches} of={steps.length} onChange={find} />
      )}
      {props.isWide ? (
        <Drawing {...props} found={found} />
      ) : (
        <StepList {...props} found={found} />
      )}
      <ParameterForm
        parameters={state.graph.parameters}
        values={values}
        onChange={setValues}
      />
      <Findings findings={state.graph.warnings} {...props} />
    </>
  );
}

function Drawing(props: IViews & { found: ReadonlySet<string> | null }): JSX.Element {
  const { pipeline, reveal, room } = props;
  const graph = pipeline.graph!;
  const standings = new Map(graph.steps.map(({ name }) => [name, pipeline.standing(name)]));
  return (
    <Graph
      graph={graph}
      standings={standings}
      activeStep={pipeline.activeStep}
      label={text.trans.__('Pipeline of %1', pipeline.path)}
      room={room}
      found={props.found}
      onPick={step => reveal(pipeline.standing(step).ids[0])}
    />
  );
}

/** What `check` found by reading: each goes to its cell. */
function Findings(props: IViews & { findings: readonly IFinding[] }): JSX.Element | null {
  const { trans } = text;
  const { pipeline, server } = props;
  const [checked, setChecked] = React.useState<readonly IFinding[] | null>(null);
  const [problem, tried] = useProblem();
  const check = async () => {
    await pipeline.save();
    const found = await tried(server.run<{ findings: IFinding[] }>(pipeline.path, 'check'));
    setChecked(found?.findings ?? null);
  };
  const findings = checked ?? props.findings;
  return (
    <section className="mlops-section">
      <h3>{trans.__('Findings')}</h3>
      {problem}
      <ul className="mlops-findings">
        {findings.map((finding, place) => (
          <li key={place} data-severity={finding.severity ?? 'warns'}>
            <button
              type="button"
              className="mlops-link"
              disabled={finding.cell === null}
              onClick={() => props.reveal(pipeline.cellId(finding.cell))}
            >
              {finding.what}
            </button>
            <span className="mlops-fix">{finding.fix}</span>
            <Mend pipeline={pipeline} finding={finding} />
          </li>
        ))}
      </ul>
      {findings.length === 0 && (
        <p className="mlops-note">
          {checked
            ? trans.__('Nothing would stop a promotion.')
            : trans.__('Nothing was found by reading the cells.')}
        </p>
      )}
      <Action
        action="check"
        label={trans.__('Check')}
        title={trans.__('Run the notebook in a process of its own, and list what would stop a promotion')}
        icon={refreshIcon}
        onClick={check}
      />
    </section>
  );
}

/** A button where the finding can be mended by an edit that is known. */
function Mend(props: { pipeline: IViews['pipeline']; finding: IFinding }): JSX.Element | null {
  const { pipeline, finding } = props;
  const { trans } = text;
  const [said, say] = React.useState('');
  const mend = pipeline.mendOf(finding);
  if (!mend) {
    return said ? <p role="alert">{said}</p> : null;
  }
  const labels = {
    insert: trans.__('Insert this cell'),
    source: trans.__('Add the import'),
    tag: trans.__('Tag this cell'),
    run: trans.__('Run it again')
  };
  return (
    <>
      <Action
        action="mend"
        label={labels[mend.edit]}
        title={
          mend.edit === 'run'
            ? trans.__('Run the cell again, in this kernel')
            : trans.__('Change the open notebook; it can be undone')
        }
        onClick={async () => say(await pipeline.mend(mend))}
      />
      {said && <p role="alert">{said}</p>}
    </>
  );
}

function Rest({ graph }: { graph: IGraph }): JSX.Element | null {
  const { trans } = text;
  const count = (kind: string) => graph.cells.filter(cell => cell.kind === kind).length;
  const list = [
    [count('setup'), trans.__('set-up')],
    [count('scratch'), trans.__('scratch')],
    [count('empty'), trans.__('empty')]
  ]
    .filter(([number]) => number !== 0)
    .map(([number, kind]) => `${number} ${kind}`)
    .join(', ');
  return list ? (
    <p className="mlops-note">{trans.__('Cells outside the steps: %1.', list)}</p>
  ) : null;
}

/** Reads each change of state to those who cannot see it. */
export function News({ states }: { states: ReadonlyMap<string, State> }): JSX.Element {
  const before = React.useRef(states);
  const [said, say] = React.useState('');
  React.useEffect(() => {
    const changed = [...states].filter(([name, state]) => {
      const old = before.current.get(name);
      return old !== undefined && old !== state;
    });
    before.current = states;
    if (changed.length > 0) {
      say(changed.map(([name, state]) => `${name}: ${wordOf(state)}`).join(', '));
    }
  });
  return (
    <div className="mlops-unseen" role="status" aria-live="polite">
      {said}
    </div>
  );
}
