/** The tab of runs: grouped, filtered, compared, and each with what it was. */
import * as React from 'react';
import {
  caretDownIcon,
  caretRightIcon,
  notebookIcon,
  refreshIcon,
  stopIcon,
  undoIcon
} from '@jupyterlab/ui-components';
import { IRunRow, matching, rowsOf } from './grouping';
import { LiveLog } from './log';
import { ParallelCoordinates } from './parallel';
import {
  Action,
  CloseButton,
  Gates,
  Metrics,
  shapeOf,
  StateMark,
  useProblem
} from './parts';
import { duration, figure, moment, statusWord, text } from './text';
import { IRun } from './types';
import { IViews } from './views';
import { VirtualList } from './virtual';

/** px: the height of a row. */
const ROW = 44;
/** Runs that a table compares: a browser draws thousands of cells slowly. */
const MOST_COLUMNS = 60;

export function RunsTab(views: IViews): JSX.Element {
  const { project } = views;
  const { trans } = text;
  const [filter, setFilter] = React.useState('');
  const [opened, setOpened] = React.useState<ReadonlySet<string>>(new Set());
  const [chosen, setChosen] = React.useState<readonly string[]>([]);
  const [shown, setShown] = React.useState('');
  const { lists } = project;
  const runs = lists?.runs ?? [];
  const rows = React.useMemo(() => rowsOf(runs, opened, filter), [runs, opened, filter]);
  const listed = React.useMemo(() => matching(runs, filter), [runs, filter]);
  const found = new Map(runs.map(run => [run.run, run]));
  const compared = React.useMemo(
    () => chosen.flatMap(id => found.get(id) ?? []),
    [runs, chosen]
  );
  const detail = found.get(shown);
  if (lists && runs.length === 0) {
    return (
      <p className="mlops-empty">
        {trans.__('No run yet: press “Run in background”, or type')}{' '}
        <code>mlops-nb run NOTEBOOK</code>
      </p>
    );
  }
  const row = (one: IRunRow) => (
    <RunRow
      row={one}
      isOpen={opened.has(one.key)}
      isShown={one.run.run === shown}
      isChosen={chosen.includes(one.run.run)}
      onFold={() => setOpened(toggled(opened, one.key))}
      onShow={() => setShown(one.run.run === shown ? '' : one.run.run)}
      onChoose={() => setChosen([...toggled(new Set(chosen), one.run.run)])}
    />
  );
  return (
    <div className="mlops-fill-height">
      <input
        className="mlops-filter"
        type="search"
        placeholder={trans.__('Filter, such as depth=3')}
        aria-label={trans.__('Filter the runs')}
        value={filter}
        onChange={event => setFilter(event.target.value)}
      />
      <VirtualList
        rows={rows}
        height={ROW}
        keyOf={({ key }) => key}
        label={trans.__('Runs')}
        draw={row}
      />
      {lists?.more_runs && (
        <Action
          action="more"
          label={trans.__('List older runs')}
          onClick={() => project.listMore()}
        />
      )}
      {filter.trim() !== '' && listed.length > 1 && (
        <div className="mlops-beside">
          <Action
            action="compare"
            label={trans.__('Compare these %1 runs', listed.length)}
            onClick={() => setChosen(listed.map(({ run }) => run))}
          />
        </div>
      )}
      {compared.length > 1 && (
        <Comparison
          {...views}
          runs={compared}
          onPick={setShown}
          onClose={() => setChosen([])}
        />
      )}
      {detail && <Detail {...views} key={shown} run={detail} onClose={() => setShown('')} />}
    </div>
  );
}

function toggled(set: ReadonlySet<string>, value: string): Set<string> {
  const next = new Set(set);
  if (!next.delete(value)) {
    next.add(value);
  }
  return next;
}

/** What a run is of, as people call it. */
function nameOf(run: IRun): string {
  return run.job || run.notebook.split('/').pop() || run.run;
}

function RunRow(props: {
  row: IRunRow;
  isOpen: boolean;
  isShown: boolean;
  isChosen: boolean;
  onFold: () => void;
  onShow: () => void;
  onChoose: () => void;
}): JSX.Element {
  const { run, group, count, isInside } = props.row;
  const { trans } = text;
  const Caret = props.isOpen ? caretDownIcon : caretRightIcon;
  return (
    <div
      className="mlops-run"
      data-run={run.run}
      data-status={run.status}
      data-inside={isInside || undefined}
      aria-current={props.isShown || undefined}
    >
      {count > 1 ? (
        <button
          type="button"
          className="mlops-fold"
          aria-expanded={props.isOpen}
          aria-label={trans.__('%1: %2 runs', group, count)}
          onClick={props.onFold}
        >
          <Caret.react tag="span" />
        </button>
      ) : (
        <span className="mlops-fold" />
      )}
      <StateMark state={shapeOf(run.status)} />
      <button type="button" className="mlops-run-main" title={run.because} onClick={props.onShow}>
        <span className="mlops-line-1">
          <b>{isInside ? moment(run.started) : run.sweep ? group : nameOf(run)}</b>
          <span>{statusWord(run.status)}</span>
        </span>
        <span className="mlops-line-2">
          {count > 1 && <span>{trans.__('%1 runs', count)}</span>}
          <span title={run.started}>{moment(run.started)}</span>
          <span>{duration(run.seconds)}</span>
          <Metrics metrics={run.metrics} most={2} format={figure} />
        </span>
      </button>
      <input
        type="checkbox"
        checked={props.isChosen}
        aria-label={trans.__('Compare %1 of %2', run.run, nameOf(run))}
        onChange={props.onChoose}
      />
    </div>
  );
}

function Detail(props: IViews & { run: IRun; onClose: () => void }): JSX.Element {
  const { run, server, pipeline, project } = props;
  const { trans } = text;
  const [problem, tried] = useProblem();
  const isOpen = run.status === 'queued' || run.status === 'running';
  const [isLogged, setLogged] = React.useState(isOpen);
  const again = async () => {
    const args = run.job
      ? { job: run.job, parameters: run.parameters }
      : { parameters: run.parameters };
    const done = tried(server.run(pipeline.path, run.job ? 'trigger' : 'run', args));
    await Promise.race([done, new Promise(resolve => window.setTimeout(resolve, 1000))]);
  };
  const stop = async () => {
    await tried(server.run(pipeline.path, 'stop', { run: run.run }));
    await project.refresh();
  };
  return (
    <section className="mlops-detail" aria-label={trans.__('Run %1', run.run)}>
      <CloseButton onClose={props.onClose} />
      <h3>
        {nameOf(run)} · {run.run}
      </h3>
      <div className="mlops-actions">
        {run.has_notebook && (
          <Action
            action="open"
            label={trans.__('Open copy')}
            title={trans.__('Open a copy of the notebook as this run left it')}
            icon={notebookIcon}
            onClick={() => tried(props.openRun(run.run, false))}
          />
        )}
        <Action
          action="rerun"
          label={trans.__('Run again')}
          title={trans.__('Run again with the same parameters')}
          icon={refreshIcon}
          onClick={again}
        />
        <Action
          action="log"
          label={isLogged ? trans.__('Hide the output') : trans.__('Output')}
          title={trans.__('What the cells of this run print')}
          onClick={() => setLogged(!isLogged)}
        />
        {isOpen && (
          <Action action="stop" label={trans.__('Stop')} icon={stopIcon} onClick={stop} />
        )}
        {run.has_notebook && !isOpen && (
          <Action
            action="restore"
            label={trans.__('Restore in a copy')}
            title={trans.__('Open a copy of the notebook with what this run computed')}
            icon={undoIcon}
            onClick={() => tried(props.openRun(run.run, true))}
          />
        )}
      </div>
      {problem}
      {isLogged && <LiveLog server={server} path={pipeline.path} run={run.run} />}
      {run.because && <p className="mlops-because">{run.because}</p>}
      <Gates gates={run.gates} />
      <Pairs title={trans.__('Metrics')} values={run.metrics} />
      <Pairs title={trans.__('Parameters')} values={run.parameters} />
    </section>
  );
}

function Pairs(props: {
  title: string;
  values: { readonly [name: string]: unknown };
}): JSX.Element | null {
  const pairs = Object.entries(props.values);
  return pairs.length === 0 ? null : (
    <>
      <h4>{props.title}</h4>
      <dl className="mlops-pairs">
        {pairs.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{figure(value)}</dd>
          </div>
        ))}
      </dl>
    </>
  );
}

/** Chosen runs beside each other: only what differs, and all metrics. */
function Comparison(
  props: IViews & {
    runs: readonly IRun[];
    onPick: (run: string) => void;
    onClose: () => void;
  }
): JSX.Element {
  const { server, pipeline } = props;
  const runs = props.runs.slice(0, MOST_COLUMNS);
  const [isDrawn, draw] = React.useState(false);
  const { trans } = text;
  const [changes, setChanges] = React.useState<string | null>(null);
  const [problem, tried] = useProblem();
  const named = (of: (run: IRun) => { readonly [name: string]: unknown }) => [
    ...new Set(runs.flatMap(run => Object.keys(of(run))))
  ];
  const differing = named(run => run.parameters).filter(
    name => new Set(runs.map(run => JSON.stringify(run.parameters[name]))).size > 1
  );
  const diff = async () => {
    const [before, after] = [runs[0].run, runs[1].run];
    const found = await tried(
      server.run<{ because?: string }>(pipeline.path, 'diff', { before, after })
    );
    setChanges(found ? JSON.stringify(found, null, 1) : null);
  };
  return (
    <section className="mlops-detail" aria-label={trans.__('Comparison')}>
      <CloseButton onClose={props.onClose} />
      <h3>{trans.__('%1 runs compared', props.runs.length)}</h3>
      <Action
        action="parallel"
        label={isDrawn ? trans.__('As a table') : trans.__('As parallel coordinates')}
        onClick={() => draw(!isDrawn)}
      />
      {isDrawn && (
        <ParallelCoordinates
          runs={props.runs}
          nameOf={nameOf}
          room={props.room}
          onPick={props.onPick}
        />
      )}
      {!isDrawn && props.runs.length > runs.length && (
        <p className="mlops-note">
          {trans.__('The table has the first %1 of them.', runs.length)}
        </p>
      )}
      <div className="mlops-wide-table" hidden={isDrawn}>
        <table>
          <thead>
            <tr>
              <th />
              {runs.map(run => (
                <th key={run.run} title={run.run}>
                  {nameOf(run)} {moment(run.started)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {differing.map(name => (
              <tr key={`p ${name}`}>
                <th>{name}</th>
                {runs.map(run => (
                  <td key={run.run}>{figure(run.parameters[name])}</td>
                ))}
              </tr>
            ))}
            {named(run => run.metrics).map(name => (
              <tr key={`m ${name}`} className="mlops-metric-row">
                <th>{name}</th>
                {runs.map(run => (
                  <td key={run.run}>{figure(run.metrics[name])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {runs.length === 2 && (
        <Action
          action="diff"
          label={trans.__('What changed between them')}
          onClick={diff}
        />
      )}
      {problem}
      {changes && <pre className="mlops-pre">{changes}</pre>}
    </section>
  );
}
