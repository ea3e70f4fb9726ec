/** The steps as a list, each with its edges as lanes beside it: for a narrow panel. */
import * as React from 'react';
import { fastForwardIcon, infoIcon, runIcon } from '@jupyterlab/ui-components';
import { relatives } from './graph';
import { ILaneRow, lanesOf } from './lanes';
import { Action, StateMark, useProblem } from './parts';
import { duration, text, wordOf } from './text';
import { IGraph, IStep, IStepState, State } from './types';
import { IViews } from './views';

/** px: the width of a lane, and the height of a row's first line. */
const LANE = 8;
const LINE = 26;

const NO_LANES: ILaneRow = { column: 0, through: [], into: [], goesOn: false };

/** `found`: the steps that were looked for, null if none were: then each has its lanes. */
export function StepList(
  views: IViews & { found: ReadonlySet<string> | null }
): JSX.Element {
  const { pipeline, found } = views;
  const graph = pipeline.graph!;
  const names = React.useMemo(() => graph.steps.map(({ name }) => name), [graph]);
  const lanes = React.useMemo(() => lanesOf(names, graph.edges), [names, graph]);
  const [lit, light] = React.useState<string | null>(null);
  const related = React.useMemo(() => relatives(graph, lit), [graph, lit]);
  const columns = found
    ? 1
    : 1 + Math.max(0, ...lanes.map(row => Math.max(row.column, ...row.through)));
  const shown = graph.steps
    .map((step, row) => ({ step, lane: found ? NO_LANES : lanes[row] }))
    .filter(({ step }) => !found || found.has(step.name));
  return (
    <ul className="mlops-steps" data-lit={related ? true : undefined}>
      {shown.map(({ step, lane }) => (
        <Step
          key={step.name}
          {...views}
          graph={graph}
          step={step}
          standing={pipeline.standing(step.name)}
          isActive={step.name === pipeline.activeStep}
          isRelated={!!related?.has(step.name)}
          lane={lane}
          columns={columns}
          onLight={light}
        />
      ))}
    </ul>
  );
}

interface IStepProps extends IViews {
  readonly graph: IGraph;
  readonly step: IStep;
  readonly standing: IStepState;
  readonly isActive: boolean;
  readonly isRelated: boolean;
  readonly lane: ILaneRow;
  readonly columns: number;
  readonly onLight: (step: string | null) => void;
}

/** A row is drawn again only if what it shows has changed: there may be hundreds. */
const Step = React.memo(StepRow, (before, after) => {
  const { standing: was } = before;
  const { standing: is } = after;
  return (
    before.step === after.step &&
    before.lane === after.lane &&
    before.columns === after.columns &&
    before.isActive === after.isActive &&
    before.isRelated === after.isRelated &&
    was.state === is.state &&
    was.because === is.because &&
    was.seconds === is.seconds &&
    was.ids.join() === is.ids.join()
  );
});

function StepRow(props: IStepProps): JSX.Element {
  const { step, standing, pipeline, server, reveal, onLight } = props;
  const { state, because, seconds, ids } = standing;
  const { trans } = text;
  const { name } = step;
  const [why, setWhy] = React.useState('');
  const [problem, tried] = useProblem();
  const explain = async () => {
    await pipeline.save();
    const found = await tried(
      server.run<{ because: string }>(pipeline.path, 'why', { step: name })
    );
    setWhy(found?.because ?? '');
  };
  const isReady = state === 'finished' || state === 'reused';
  return (
    <li
      className="mlops-row"
      data-step={name}
      data-state={state}
      data-related={props.isRelated || undefined}
      aria-current={props.isActive ? 'step' : undefined}
      onMouseEnter={() => onLight(name)}
      onMouseLeave={() => onLight(null)}
    >
      <Lanes row={props.lane} columns={props.columns} state={state} title={flows(props)} />
      <div className="mlops-row-body" style={{ paddingLeft: props.columns * LANE }}>
        <div className="mlops-row-head">
          <StateMark state={state} />
          <button
            type="button"
            className="mlops-name"
            title={tooltip(props)}
            aria-label={`${name}: ${wordOf(state)}`}
            onClick={() => reveal(ids[0])}
            onFocus={() => onLight(name)}
            onBlur={() => onLight(null)}
          >
            {name}
          </button>
          <span className="mlops-aside">{isReady ? duration(seconds) : wordOf(state)}</span>
          <span className="mlops-row-actions">
            <Action
              action="run-step"
              label={trans.__('Run %1', name)}
              icon={runIcon}
              isSmall
              onClick={() => pipeline.runCells(ids)}
            />
            <Action
              action="run-from"
              label={trans.__('Run %1 and what follows', name)}
              icon={fastForwardIcon}
              isSmall
              onClick={() => pipeline.runCells(pipeline.onwardIds(name))}
            />
            <Action
              action="why"
              label={trans.__('Why %1 would run again, or not, in the background', name)}
              icon={infoIcon}
              isSmall
              onClick={explain}
            />
          </span>
        </div>
        {because && state !== 'never' && <p className="mlops-because">{because}</p>}
        {why && <p className="mlops-because">{trans.__('In the background: %1', why)}</p>}
        {problem}
      </div>
    </li>
  );
}

/** What comes along the edges into a step. */
function flows({ graph, step }: IStepProps): string {
  return graph.edges
    .filter(([, to]) => to === step.name)
    .map(([from, , names]) => `${from} → ${names.join(', ') || text.trans.__('order only')}`)
    .join('\n');
}

function tooltip(props: IStepProps): string {
  const { step, standing } = props;
  const { trans } = text;
  const lines = [step.title || step.name, flows(props)];
  if (step.makes.length > 0) {
    lines.push(trans.__('makes %1', step.makes.join(', ')));
  }
  if (step.parameters.length > 0) {
    lines.push(trans.__('parameters %1', step.parameters.join(', ')));
  }
  lines.push(duration(standing.seconds), standing.because);
  return lines.filter(Boolean).join('\n');
}

function Lanes(props: {
  row: ILaneRow;
  columns: number;
  state: State;
  title: string;
}): JSX.Element {
  const { row, columns, title } = props;
  const x = (column: number) => column * LANE + LANE / 2;
  const middle = LINE / 2;
  const at = x(row.column);
  return (
    <svg className="mlops-lanes" width={columns * LANE} height="100%" aria-hidden="true">
      <title>{title}</title>
      {row.through.map(column => (
        <line key={column} x1={x(column)} x2={x(column)} y1="0" y2="100%" />
      ))}
      {row.into.map(column => (
        <path
          key={column}
          d={
            column === row.column
              ? `M${at} 0V${middle}`
              : `M${x(column)} 0C${x(column)} ${middle} ${at} 2 ${at} ${middle}`
          }
        />
      ))}
      {row.goesOn && <line x1={at} x2={at} y1={middle} y2="100%" />}
      <circle cx={at} cy={middle} r="3" />
    </svg>
  );
}
