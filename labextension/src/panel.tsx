/** The panel: four tabs, in the left side bar and, wide, in the main area. */
import { ReactWidget, UseSignal } from '@jupyterlab/ui-components';
import { Message } from '@lumino/messaging';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';
import * as React from 'react';
import { JobsTab } from './jobsTab';
import { ModelsTab } from './modelsTab';
import { Problem } from './parts';
import { News, PipelineTab } from './pipelineTab';
import { RunsTab } from './runsTab';
import { text } from './text';
import { State } from './types';
import { IViews, Tab } from './views';

const TABS: readonly Tab[] = ['pipeline', 'runs', 'jobs', 'models'];
/** px: from this width on there is room for the drawing. */
const WIDE = 560;
const REMEMBERED = 'mlops-nb:tab';

export type Given = Omit<IViews, 'show' | 'isWide' | 'room'>;

export class Panel extends ReactWidget {
  constructor(
    id: string,
    private readonly given: Given,
    private readonly isMain = false
  ) {
    super();
    this.id = id;
    this.addClass('mlops-panel');
    const before = localStorage.getItem(REMEMBERED) as Tab | null;
    this.tab = before && TABS.includes(before) ? before : 'pipeline';
  }

  protected onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this.given.project.watched = true;
  }

  protected onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this.given.project.watched = false;
  }

  protected onResize(message: Widget.ResizeMessage): void {
    super.onResize(message);
    if (message.width > 0 && message.width !== this.room) {
      this.room = message.width;
      this.update();
    }
  }

  protected render(): JSX.Element {
    const { given, room } = this;
    const views: IViews = {
      ...given,
      room: room - 16,
      isWide: this.isMain || room >= WIDE,
      show: tab => this.show_(tab)
    };
    return (
      <UseSignal signal={given.pipeline.changed}>
        {() => (
          <UseSignal signal={given.project.changed}>
            {() => (
              <UseSignal signal={this.shown}>
                {() => <View {...views} tab={this.tab} />}
              </UseSignal>
            )}
          </UseSignal>
        )}
      </UseSignal>
    );
  }

  private show_(tab: Tab): void {
    this.tab = tab;
    localStorage.setItem(REMEMBERED, tab);
    this.shown.emit();
  }

  private readonly shown = new Signal<this, void>(this);
  private tab: Tab;
  private room = 280;
}

function View(props: IViews & { tab: Tab }): JSX.Element {
  const { tab, pipeline, project } = props;
  const states = new Map<string, State>(
    (pipeline.graph?.steps ?? []).map(({ name }) => [name, pipeline.standing(name).state])
  );
  const { trans } = text;
  const path = pipeline.path;
  const failed = tab === 'pipeline' ? null : project.problem; // what was listed before stays
  const urgent = project.lists?.alerts.filter(one => one.urgent && !one.acked_until).length ?? 0;
  return (
    <>
      <div className="mlops-head">
        <h2 title={path}>{path.split('/').pop() || trans.__('MLOps')}</h2>
        {states.size > 0 && <span>{trans._n('%1 step', '%1 steps', states.size, states.size)}</span>}
      </div>
      <Tabs {...props} urgent={urgent} />
      <News states={states} />
      <div
        className="mlops-tab"
        role="tabpanel"
        id="mlops-tabpanel"
        aria-labelledby={`mlops-tab-${tab}`}
      >
        {tab === 'pipeline' && <PipelineTab {...props} key={path} />}
        {failed && <Problem problem={failed} />}
        {(project.lists || !failed) && (
          <>
            {tab === 'runs' && <RunsTab {...props} />}
            {tab === 'jobs' && <JobsTab {...props} />}
            {tab === 'models' && <ModelsTab {...props} />}
          </>
        )}
      </div>
    </>
  );
}

function Tabs(props: IViews & { tab: Tab; urgent: number }): JSX.Element {
  const { trans } = text;
  const names: Record<Tab, string> = {
    pipeline: trans.__('Pipeline'),
    runs: trans.__('Runs'),
    jobs: trans.__('Jobs'),
    models: trans.__('Models')
  };
  const move = (event: React.KeyboardEvent, tab: Tab) => {
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step !== 0) {
      const next = TABS[(TABS.indexOf(tab) + step + TABS.length) % TABS.length];
      props.show(next);
      const bar = event.currentTarget.parentElement;
      bar?.querySelector<HTMLElement>(`[data-tab="${next}"]`)?.focus();
    }
  };
  return (
    <div className="mlops-tabs" role="tablist" aria-label={trans.__('MLOps')}>
      {TABS.map(tab => (
        <button
          key={tab}
          type="button"
          role="tab"
          id={`mlops-tab-${tab}`}
          data-tab={tab}
          aria-selected={tab === props.tab}
          aria-controls="mlops-tabpanel"
          tabIndex={tab === props.tab ? 0 : -1}
          onClick={() => props.show(tab)}
          onKeyDown={event => move(event, tab)}
        >
          {names[tab]}
          {tab === 'jobs' && props.urgent > 0 && (
            <span className="mlops-count" title={trans.__('urgent alerts')}>
              {props.urgent}
            </span>
          )}
        </button>
      ))}
    </div>
  );
}
