"use strict";
// Trends: one value over the runs, with the band in which noise moves it.

/**
 * A chart of a value over runs. Those of other tests, such as a run of one file, are left out.
 * @param {{ name: string, trends: Trend[], values: { name: string, color: string, of: (trend: Trend) => number }[],
 *   band?: Band | null, format: (value: number) => string }} options
 * @returns {HTMLElement}
 */
function trendChart({ name, trends, values, band = null, format }) {
  const place = make("div", { class: "chart" });
  const last = trends[trends.length - 1];
  const now = values.map((value) => `${values.length > 1 ? `${value.name} ` : ""}${format(value.of(last))}`).join(", ");
  const said = make("p", { class: "quiet" });
  const latest = () => {
    said.textContent = `${moment(last.started)}: ${now}`;
  };
  latest();
  const figure = make("figure", { role: "group", "aria-label": `${name} over ${plural(trends.length, "run")}; last: ${now}` },
    make("figcaption", {}, name), place, said);
  /** @type {uPlot.Options["hooks"]} */
  const hooks = {
    drawClear: [(plot) => band && drawBand(plot, band)],
    setCursor: [(plot) => {
      const trend = trends[plot.cursor.idx ?? -1];
      if (!trend) return latest();
      const shown = values.map((value) => `${values.length > 1 ? `${value.name} ` : ""}${format(value.of(trend))}`);
      said.textContent = `${moment(trend.started)}${trend.commit ? ` ${trend.commit.slice(0, 8)}` : ""}: ${shown.join(", ")}`;
    }],
  };
  requestAnimationFrame(() => chart(place, 150, {
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: (_, low, high) => [low - 0.5, high + 0.5] },
      y: { range: (_, low, high) => [0, Math.max(high, band?.high ?? 0) * 1.1 || 1] },
    },
    axes: [
      { ...axis(), grid: { show: false }, incrs: [1, 2, 5, 10], values: (_, ticks) => ticks.map((tick) => (
        runDay(trends, tick, ticks))) },
      { ...axis(), size: 58, values: (_, ticks) => ticks.map((tick) => (tick ? format(tick) : "0")) },
    ],
    series: [{}, ...values.map((value) => ({
      stroke: () => color(value.color), width: 2, points: { show: true, size: 5, fill: () => color(value.color) },
    }))],
    hooks,
  }, [trends.map((_, run) => run), ...values.map((value) => trends.map(value.of))]));
  return figure;
}

/**
 * The day of a run under its point, or its hour, where the point before is of that day, too.
 * @param {Trend[]} trends
 * @param {number} tick
 * @param {number[]} ticks
 */
function runDay(trends, tick, ticks) {
  const run = trends[tick];
  if (!run) return "";
  const before = trends[ticks[ticks.indexOf(tick) - 1]];
  return before?.started.slice(0, 10) === run.started.slice(0, 10) ? run.started.slice(11, 16) : run.started.slice(5, 10);
}

/**
 * @param {uPlot} plot
 * @param {Band} band
 */
function drawBand(plot, band) {
  const pen = plot.ctx;
  const [high, low] = [plot.valToPos(band.high, "y", true), plot.valToPos(band.low, "y", true)];
  pen.save();
  pen.fillStyle = color("band");
  pen.fillRect(plot.bbox.left, high, plot.bbox.width, low - high);
  pen.restore();
}

/**
 * A bar that says which part of something a value is; the number stands beside it.
 * @param {number} value
 * @param {number} most
 * @param {string} [kind]
 */
function bar(value, most, kind = "call") {
  const fill = make("span", { class: `fill ${kind}` });
  fill.style.width = `${most > 0 ? Math.min(100, (100 * value) / most) : 0}%`;
  return make("span", { class: "gauge", "aria-hidden": "true" }, fill);
}
