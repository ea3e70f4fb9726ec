/** What `watch` found of a live model: metrics with their intervals, and what drifted. */
import * as React from 'react';
import { figure, text } from './text';
import { IWatch, IWatchMetric } from './types';

export function LiveModel({ watched }: { watched: IWatch }): JSX.Element {
  const { trans } = text;
  const whole = watched.metrics.filter(({ model_version }) => model_version === null);
  const drifted = watched.drift.filter(one => one.drifted);
  return (
    <section className="mlops-live" aria-label={trans.__('Live')}>
      <p className="mlops-note">
        {trans.__('%1 answers in the last 30 days', watched.rows.toLocaleString())}
        {watched.dropped > 0 && trans.__(', %1 not on record', watched.dropped.toLocaleString())}
      </p>
      {whole.length === 0 && (
        <p className="mlops-note">
          {trans.__('No labels yet:')} <code>mlops-nb labels MODEL FILE</code>
        </p>
      )}
      {whole.map(metric => (
        <Interval key={metric.metric} metric={metric} />
      ))}
      {watched.drift.length > 0 && (
        <p className="mlops-note">
          {drifted.length === 0
            ? trans.__('None of %1 columns drifted.', watched.drift.length)
            : trans.__('%1 of %2 columns drifted:', drifted.length, watched.drift.length)}
        </p>
      )}
      <ul className="mlops-drift">
        {drifted.map(one => (
          <li key={one.column}>
            <b>{one.column}</b> {one.direction}{' '}
            <small>
              {one.statistic} {figure(one.value)} ({trans.__('threshold')} {figure(one.threshold)})
            </small>
          </li>
        ))}
      </ul>
      {watched.alerts.map((alert, place) => (
        <p key={place} className="mlops-because">
          {alert.what}
        </p>
      ))}
    </section>
  );
}

/** A metric with its 95 % interval, on a scale from 0 to 1 where it lies there. */
function Interval({ metric }: { metric: IWatchMetric }): JSX.Element {
  const { trans } = text;
  const { value, low, high } = metric;
  const inUnit = [value, low, high].every(one => one !== null && one >= 0 && one <= 1);
  return (
    <div className="mlops-interval">
      <span>{metric.metric}</span>
      <b>{value === null ? '–' : figure(value)}</b>
      {inUnit && (
        <svg width="80" height="12" viewBox="0 0 80 12" aria-hidden="true">
          <line x1="0" x2="80" y1="6" y2="6" className="mlops-scale" />
          <line x1={80 * low!} x2={80 * high!} y1="6" y2="6" className="mlops-bar" />
          <circle cx={80 * value!} cy="6" r="3.5" className="mlops-dot" />
        </svg>
      )}
      <small>
        {low !== null && high !== null && `${figure(low)} – ${figure(high)} · `}
        {trans.__('%1 labels', metric.labels.toLocaleString())} ·{' '}
        {trans.__('%1 % covered', Math.round(metric.coverage * 100))}
      </small>
    </div>
  );
}
