"use strict";
// What the charts have in common: colours of the scheme, axes, and a size that follows the page.

/** @type {(() => void)[]} */
const redraws = [];

/** Draw all charts anew, in the colours of the scheme. */
function redrawAll() {
  for (const redraw of redraws) redraw();
}

/** @returns {uPlot.Axis} */
function axis() {
  return {
    stroke: () => color("muted"),
    font: `12px ${getComputedStyle(document.body).fontFamily}`,
    grid: { stroke: () => color("line"), width: 1 },
    ticks: { stroke: () => color("line"), width: 1, size: 4 },
  };
}

/**
 * Put a chart into a place, as wide as that is.
 * @param {HTMLElement} place
 * @param {number} height
 * @param {Omit<uPlot.Options, "width" | "height">} options
 * @param {uPlot.AlignedData} data
 * @returns {uPlot}
 */
function chart(place, height, options, data) {
  const width = () => Math.max(place.clientWidth, 200);
  const plot = new uPlot({ ...options, width: width(), height }, data, place);
  new ResizeObserver(() => {
    if (Math.abs(plot.width - width()) > 1) plot.setSize({ width: width(), height });
  }).observe(place);
  redraws.push(() => plot.redraw(false, true));
  return plot;
}

/**
 * A pattern of thin diagonals, for time in which nothing was done.
 * @param {CanvasRenderingContext2D} context
 * @returns {CanvasPattern | string}
 */
function hatch(context) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  if (!pen) return color("idle");
  pen.strokeStyle = color("idle");
  pen.lineWidth = 1.5;
  for (const offset of [-4, 4, 12]) {
    pen.moveTo(offset - 4, 12);
    pen.lineTo(offset + 8, 0);
  }
  pen.stroke();
  return context.createPattern(tile, "repeat") ?? color("idle");
}
