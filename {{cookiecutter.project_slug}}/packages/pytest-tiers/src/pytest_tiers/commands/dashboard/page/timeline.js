"use strict";
// The timeline: a lane for each worker, a bar for each test. Drawn on a canvas, where 10,000 bars are no work.

const LANE = 30;
const NEAR = 4;

class Timeline {
  /** @param {Figures} figures */
  constructor(figures) {
    this.figures = figures;
    this.tests = figures.tests;
    /** The tests of each lane, by their start. @type {number[][]} */
    this.lanes = figures.workers.map(() => []);
    this.tests.nodeid.forEach((_, test) => this.lanes[this.tests.worker[test]]?.push(test));
    this.end = Math.max(...figures.workers.map((worker) => worker.ended), ...this.lanes.map((lane) => (
      lane.length ? this.tests.stop[lane[lane.length - 1]] : 0)), 0.001);
    /** @type {Set<number> | null} */
    this.matches = null;
    this.chosen = -1;
    this.place = make("div", {
      class: "timeline", tabindex: "0", role: "group", "aria-roledescription": "timeline",
      "aria-label": "Timeline of the workers. Arrow keys go from test to test, plus and minus zoom, zero shows all.",
    });
    this.said = make("p", { class: "said", role: "status" });
    this.element = make("div", {}, this.tools(), this.place, this.legend(), this.said);
    this.describe(-1);
  }

  /** Draw it, once it is in the page and so has a width. */
  begin() {
    const { workers } = this.figures;
    const names = workers.map((worker) => (worker.critical ? `${worker.worker} ◆` : worker.worker));
    const longest = Math.max(...names.map((name) => name.length));
    this.plot = chart(this.place, workers.length * LANE + 44, {
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, uni: 10 } },
      scales: { x: { time: false, range: (_, low, high) => [low, high] }, y: { range: [0, workers.length], dir: -1 } },
      series: [{}, { show: true, paths: () => null, points: { show: false } }],
      axes: [
        { ...axis(), values: (_, ticks) => ticks.map((tick) => `${+tick.toFixed(4)} s`) },
        {
          ...axis(), size: Math.min(longest * 7 + 22, 110), grid: { show: false }, ticks: { show: false },
          splits: () => workers.map((_, lane) => lane + 0.5), values: () => names,
        },
      ],
      hooks: {
        draw: [() => this.paint()],
        setCursor: [() => this.hover()],
        setScale: [(/** @type {uPlot} */ _, /** @type {string} */ key) => key === "x" && this.zoomed()],
      },
    }, [[0, this.end], [0, 0]]);
    this.place.addEventListener("keydown", (event) => this.key(event));
    this.plot.over.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.plot.over.addEventListener("click", () => this.chosen >= 0 && this.describe(this.chosen));
    // While uPlot is being made, its hooks run before there is a plot to ask.
    this.zoomed();
  }

  tools() {
    const field = make("input", { type: "search", "aria-label": "Search in the timeline", placeholder: "Search tests" });
    this.input = /** @type {HTMLInputElement} */ (field);
    this.input.addEventListener("input", () => this.search(this.input?.value ?? ""));
    this.input.addEventListener("keydown", (event) => event.key === "Enter" && this.next(1, true));
    this.found = make("span", { class: "quiet", role: "status" });
    const button = (/** @type {string} */ label, /** @type {string} */ title, /** @type {() => void} */ act) => {
      const made = make("button", { type: "button", "aria-label": title, title }, label);
      made.addEventListener("click", act);
      return made;
    };
    this.all = button("Show all", "Show the whole run", () => this.show(0, this.end));
    return make("div", { class: "tools" }, field, this.found, make("span", { class: "space" }),
      button("+", "Zoom in", () => this.zoom(0.5)), button("−", "Zoom out", () => this.zoom(2)), this.all);
  }

  legend() {
    const names = { starting: "start", collecting: "collection", setup: "set-up", call: "call", teardown: "tear-down",
      bad: "failed", idle: "idle" };
    const items = Object.entries(names).map(([key, name]) => make("li", {}, make("i", { class: `key ${key}` }), name));
    return make("ul", { class: "legend" }, ...items, make("li", {}, "◆ the run ended with this worker"));
  }

  paint() {
    const { plot, tests } = this;
    if (!plot) return;
    const pen = plot.ctx;
    const { left, top, width, height } = plot.bbox;
    const lane = height / this.lanes.length;
    const bar = lane * 0.72;
    const x = (/** @type {number} */ value) => plot.valToPos(value, "x", true);
    const shades = { setup: color("setup"), call: color("call"), teardown: color("teardown"), bad: color("bad"),
      starting: color("starting"), collecting: color("collecting"), faint: color("faint"), ink: color("ink") };
    const idle = hatch(pen);
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width, height);
    pen.clip();
    const block = (/** @type {number} */ from, /** @type {number} */ to, /** @type {number} */ y,
      /** @type {string | CanvasPattern} */ fill, least = 0) => {
      const [start, stop] = [Math.max(x(from), left - 1), Math.min(x(to), left + width + 1)];
      if (stop < start) return;
      pen.fillStyle = fill;
      pen.fillRect(start, y, Math.max(stop - start, least), bar);
    };
    this.figures.workers.forEach((worker, number) => {
      const y = top + number * lane + (lane - bar) / 2;
      block(worker.began, worker.collecting, y, shades.starting);
      block(worker.collecting, worker.collected, y, shades.collecting);
      for (const [start, stop] of worker.idle) block(start, stop, y, idle);
      for (const test of this.lanes[number]) {
        const [start, stop] = [tests.start[test], tests.stop[test]];
        const [from, to] = [x(start), x(stop)];
        if (to < left || from > left + width) continue;
        const dimmed = this.matches && !this.matches.has(test);
        if (dimmed) block(start, stop, y, shades.faint, 0.5);
        else if (tests.outcome[test] === "failed") block(start, stop, y, shades.bad, 2);
        else if (to - from < 3) block(start, stop, y, shades.call, 0.5);
        else {
          block(start, start + tests.setup[test], y, shades.setup);
          block(start + tests.setup[test], stop - tests.teardown[test], y, shades.call, 1);
          block(stop - tests.teardown[test], stop, y, shades.teardown);
          pen.clearRect(to - 1, y, 1, bar);  // where one test ends and the next begins
        }
        if (this.matches && !dimmed && to - from < 3) block(start, stop, y, shades.ink, 2);
        if (test === this.chosen) {
          pen.strokeStyle = shades.ink;
          pen.lineWidth = 2 * devicePixelRatio;
          pen.strokeRect(from, y, Math.max(to - from, 2), bar);
        }
      }
    });
    pen.restore();
  }

  hover() {
    const { plot } = this;
    if (!plot || plot.cursor.left === undefined || plot.cursor.left < 0) return;
    const number = Math.floor(((plot.cursor.top ?? 0) / plot.over.clientHeight) * this.lanes.length);
    const test = this.at(number, plot.posToVal(plot.cursor.left, "x"),
      NEAR * (plot.posToVal(1, "x") - plot.posToVal(0, "x")));
    if (test !== this.chosen) this.choose(test);
  }

  /**
   * The test of a lane at a time, or one that is next to it.
   * @param {number} number
   * @param {number} time
   * @param {number} near seconds
   */
  at(number, time, near) {
    const lane = this.lanes[number] ?? [];
    let [low, high] = [0, lane.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.tests.start[lane[middle]] <= time) low = middle;
      else high = middle - 1;
    }
    const close = lane.slice(Math.max(low, 0), low + 2).map((test) => (
      { test, far: Math.max(this.tests.start[test] - time, time - this.tests.stop[test], 0) }));
    close.sort((one, other) => one.far - other.far);
    return close.length && close[0].far <= near ? close[0].test : -1;
  }

  /** @param {number} test */
  choose(test) {
    this.chosen = test;
    this.describe(test);
    this.plot?.redraw(false);
  }

  /** @param {number} test */
  describe(test) {
    const { tests } = this;
    if (test < 0) {
      this.said.replaceChildren("Point at a bar, or use the arrow keys. Drag to zoom in; Ctrl and the wheel zoom as well.");
      return;
    }
    const statements = tests.statements[test] ? `, ${plural(tests.statements[test], "statement")}` : "";
    this.said.replaceChildren(make("strong", {}, tests.nodeid[test]), make("br"),
      `${tests.outcome[test]} on ${this.figures.workers[tests.worker[test]].worker}, ` +
      `${seconds(tests.start[test])} into the run: set-up ${seconds(tests.setup[test])}, call ${seconds(tests.call[test])}, ` +
      `tear-down ${seconds(tests.teardown[test])}, processor ${seconds(tests.processor[test])}${statements}`);
  }

  /** @param {string} text */
  search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean);
    this.matches = words.length ? new Set(this.tests.nodeid.flatMap((nodeid, test) => (
      words.every((word) => nodeid.toLowerCase().includes(word)) ? [test] : []))) : null;
    if (this.found) this.found.textContent = this.matches ? plural(this.matches.size, "test") : "";
    const first = this.matches?.values().next().value;
    this.choose(this.matches?.size === 1 && first !== undefined ? first : -1);
  }

  /**
   * Go to the next test, or the one before.
   * @param {number} step
   * @param {boolean} [zooming]
   */
  next(step, zooming = false) {
    const all = this.matches ? [...this.matches] : this.tests.nodeid.map((_, test) => test);
    if (!all.length) return;
    const at = all.indexOf(this.chosen);
    const test = at < 0 ? all[step > 0 ? 0 : all.length - 1] : all[(at + step + all.length) % all.length];
    this.choose(test);
    this.reveal(test, zooming);
  }

  /**
   * @param {number} step
   */
  lane(step) {
    if (this.chosen < 0) return this.next(1);
    const { tests, lanes } = this;
    const number = (tests.worker[this.chosen] + step + lanes.length) % lanes.length;
    const test = this.at(number, tests.start[this.chosen], Infinity);
    if (test >= 0) this.choose(test);
  }

  /**
   * @param {number} test
   * @param {boolean} zooming
   */
  reveal(test, zooming) {
    const [low, high] = this.range();
    const [start, stop] = [this.tests.start[test], this.tests.stop[test]];
    const length = zooming ? Math.max((stop - start) * 8, this.end / 500) : high - low;
    if (zooming || start < low || stop > high) this.show((start + stop - length) / 2, (start + stop + length) / 2);
  }

  /** @returns {[number, number]} */
  range() {
    const scale = this.plot?.scales.x;
    return [scale?.min ?? 0, scale?.max ?? this.end];
  }

  /**
   * @param {number} low
   * @param {number} high
   */
  show(low, high) {
    const length = Math.min(Math.max(high - low, 1e-5), this.end);
    const start = Math.min(Math.max(low, 0), this.end - length);
    this.plot?.setScale("x", { min: start, max: start + length });
  }

  /**
   * @param {number} factor
   * @param {number} [around] the time that stays where it is
   */
  zoom(factor, around) {
    const [low, high] = this.range();
    const fixed = around ?? (this.chosen >= 0 ? this.tests.start[this.chosen] : (low + high) / 2);
    this.show(fixed - (fixed - low) * factor, fixed + (high - fixed) * factor);
  }

  zoomed() {
    const [low, high] = this.range();
    this.all?.toggleAttribute("disabled", low <= 0 && high >= this.end);
  }

  /** @param {WheelEvent} event */
  wheel(event) {
    if (!event.ctrlKey && !event.metaKey && !event.shiftKey) return;  // the page scrolls
    event.preventDefault();
    const [low, high] = this.range();
    const way = event.deltaY || event.deltaX;
    if (event.shiftKey) this.show(low + (high - low) * 0.1 * Math.sign(way), high + (high - low) * 0.1 * Math.sign(way));
    else this.zoom(way > 0 ? 1.25 : 0.8, this.plot?.posToVal(this.plot.cursor.left ?? 0, "x"));
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, () => void>} */
    const actions = {
      ArrowRight: () => this.next(1), ArrowLeft: () => this.next(-1),
      ArrowDown: () => this.lane(1), ArrowUp: () => this.lane(-1),
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.show(0, this.end),
    };
    const action = actions[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  }
}
