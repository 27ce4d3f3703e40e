// A small bar chart: jobs by span of time, failed ones on top.

import { count } from "../format.js";
import { html } from "../ui.js";

const WIDTH = 600;
const HEIGHT = 96;

/**
 * @param points the spans that had jobs: `{at, completed, failed}`.
 * @param spans how many bars, and how many minutes each is long.
 */
export function Chart({ title, points, spans, minutes, now }) {
  const bars = barsOf(points, spans, minutes, now);
  const most = Math.max(1, ...bars.map((bar) => bar.completed + bar.failed));
  const step = WIDTH / spans;
  const total = bars.reduce((sum, bar) => sum + bar.completed, 0);
  const failed = bars.reduce((sum, bar) => sum + bar.failed, 0);
  const label = `${title}: ${count(total)} completed, ${count(failed)} failed, at most ${count(most)} in ${minutes} min`;
  return html`
    <figure class="chart">
      <figcaption>${title}<span class="quiet"> · ${count(total)} completed, ${count(failed)} failed</span></figcaption>
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label=${label} preserveAspectRatio="none">
        ${bars.map(({ completed, failed: bad }, index) => {
          const good = (HEIGHT * completed) / most;
          const wrong = (HEIGHT * bad) / most;
          return html`
            <rect class="bar" x=${index * step} y=${HEIGHT - good} width=${step * 0.8} height=${good} />
            <rect class="bar-bad" x=${index * step} y=${HEIGHT - good - wrong} width=${step * 0.8} height=${wrong} />
          `;
        })}
      </svg>
      <div class="axis quiet" aria-hidden="true">
        <span>${(spans * minutes) / 60} h ago</span><span>at most ${count(most)} in ${minutes} min</span><span>now</span>
      </div>
    </figure>
  `;
}

function barsOf(points, spans, minutes, now) {
  const length = minutes * 60_000;
  const first = Math.floor(Date.parse(now) / length) - spans + 1;
  const bars = Array.from({ length: spans }, () => ({ completed: 0, failed: 0 }));
  for (const point of points) {
    const bar = bars[Math.floor(Date.parse(point.at) / length) - first];
    if (bar) {
      bar.completed += point.completed;
      bar.failed += point.failed;
    }
  }
  return bars;
}
