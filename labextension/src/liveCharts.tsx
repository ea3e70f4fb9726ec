/** The charts of `watch` by day, drawn by Python: each is an image, so nothing in it is run. */
import * as React from 'react';
import { useProblem } from './parts';
import { text } from './text';
import { IViews } from './views';

interface ICharts {
  readonly charts: readonly { readonly title: string; readonly svg: string }[];
}

/** px: narrower than that, the texts of a chart lie over each other. */
const LEAST_WIDTH = 220;

export function LiveCharts(props: IViews & { model: string }): JSX.Element {
  const { server, pipeline, model } = props;
  const { trans } = text;
  const [drawn, draw] = React.useState<ICharts | null>(null);
  const [problem, tried] = useProblem();
  const width = Math.max(LEAST_WIDTH, Math.round(props.room) - 8);
  const theme = useTheme();
  React.useEffect(() => {
    void tried(server.run<ICharts>(pipeline.path, 'charts', { model, width, theme })).then(draw);
  }, [model, theme]);
  if (!drawn) {
    return problem ?? <p className="mlops-note">{trans.__('Drawing the charts…')}</p>;
  }
  return (
    <div className="mlops-charts" tabIndex={0} role="group" aria-label={trans.__('By day')}>
      {drawn.charts.map(({ title, svg }) => (
        <figure key={title}>
          <figcaption>{title}</figcaption>
          <img
            src={`data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`}
            alt={trans.__('%1, by day', title)}
            width={width}
          />
        </figure>
      ))}
    </div>
  );
}

/** Whether JupyterLab is light or dark, now. */
function useTheme(): 'light' | 'dark' {
  const read = () => (document.body.dataset.jpThemeLight === 'false' ? 'dark' : 'light');
  const [theme, setTheme] = React.useState<'light' | 'dark'>(read);
  React.useEffect(() => {
    const watcher = new MutationObserver(() => setTheme(read()));
    watcher.observe(document.body, { attributeFilter: ['data-jp-theme-light'] });
    return () => watcher.disconnect();
  }, []);
  return theme;
}
