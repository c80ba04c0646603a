"use strict";
// What the page says, part by part.

/**
 * @param {string} id
 * @param {string} title
 * @param {...(Node | string)} content
 */
function section(id, title, ...content) {
  return make("section", { id, "aria-labelledby": `${id}-title` },
    make("h2", { id: `${id}-title`, tabindex: "-1" }, title), ...content);
}

/** @param {string} text */
function note(text) {
  return make("p", { class: "note" }, text);
}

/** @param {Advice[]} advice */
function adviceSection(advice) {
  const total = advice.length ? make("ol", { class: "advice" }, ...advice.map((item) => {
    const link = make("a", { href: `#${item.section}` }, "See the evidence");
    link.setAttribute("aria-label", `See the evidence: ${item.title}`);
    link.addEventListener("click", (event) => {
      event.preventDefault();
      goTo(item.section, item.find);
    });
    return make("li", {}, make("p", { class: "saved" }, make("b", {}, seconds(item.seconds)), " saved"),
      make("div", {}, make("h3", {}, item.title), make("p", {}, item.evidence, " ", link)));
  })) : make("p", {}, "Nothing was found that would save much. What takes longest stands below.");
  return section("advice", "What to do", total,
    advice.length ? note("Estimates of wall time, each on its own, by what this run recorded.") : "");
}

/**
 * Go to a part of the page, and search there.
 * @param {string} id
 * @param {string} find
 */
function goTo(id, find) {
  const place = document.getElementById(id) ?? document.getElementById("content");
  const field = /** @type {HTMLInputElement | null} */ (place?.querySelector("input[type=search]"));
  if (field) {
    field.value = find;
    field.dispatchEvent(new Event("input"));
  }
  place?.scrollIntoView();
  document.getElementById(`${id}-title`)?.focus({ preventScroll: true });
}

/** @param {Figures} figures */
function headlineSection({ run, budgets }) {
  if (!run) return "";
  const over = budgets.filter((budget) => budget.seconds > budget.limit);
  const workers = run.without_workers ? "without workers" : `${plural(run.workers, "worker")} on ${plural(run.cores, "processor")}`;
  /** @type {[string, string, string][]} */
  const facts = [
    ["Wall time", seconds(run.wall), against(run.wall, run.wall_band, run.baseline)],
    ["One after another", `${run.serial_measured ? "" : "≈\u00a0"}${seconds(run.serial)}`,
      run.serial_measured ? "measured without workers" : "reckoned from what each test took itself"],
    ["Speed-up", `${run.speedup.toFixed(1)} ×`, workers],
    ["Collection", seconds(run.collection), against(run.collection, run.collection_band, run.baseline)],
    ["Tests", count(run.tests), Object.entries(run.outcomes).map(([outcome, tests]) => `${count(tests)} ${outcome}`).join(", ")],
    ["Budgets", budgets.length ? (over.length ? `${over.length} exceeded` : "kept") : "none set",
      budgets.length ? over.map((budget) => budget.budget).join(", ") || `all ${budgets.length}` : "[tool.tiers.budgets]"],
  ];
  return section("headline", "The run", make("dl", { class: "facts" }, ...facts.map(([name, value, more]) => make("div", {},
    make("dt", {}, name), make("dd", { class: "figure" }, value), make("dd", { class: "quiet" }, more)))));
}

/**
 * @param {number} value
 * @param {Band | null} band
 * @param {string} name
 */
function against(value, band, name) {
  if (!band) return "too few runs to compare with";
  const range = `${seconds(band.low)} to ${seconds(band.high)}`;
  const word = value > band.high ? "slower than" : value < band.low ? "faster than" : "as usual for";
  return `${word} ${name}: ${seconds(band.middle)}, noise ${range}`;
}

/**
 * @param {Figures} figures
 * @param {Timeline} timeline
 */
function timelineSection(figures, timeline) {
  const last = figures.workers.find((worker) => worker.critical);
  const parts = Object.entries(figures.path).filter(([, value]) => value > 0);
  const total = parts.reduce((sum, [, value]) => sum + value, 0);
  const kinds = /** @type {Record<string, string>} */ ({ start: "starting", collection: "collecting", "set-up": "setup",
    calls: "call", "tear-down": "teardown", idle: "idle", "pytest itself": "faint" });
  const strip = make("div", { class: "strip", "aria-hidden": "true" }, ...parts.map(([name, value]) => {
    const part = make("span", { class: kinds[name] });
    part.style.width = `${(100 * value) / total}%`;
    return part;
  }));
  const legend = make("ul", { class: "legend" }, ...parts.map(([name, value]) => make("li", {},
    make("i", { class: `key ${kinds[name]}` }), `${name} ${seconds(value)}`)));
  return section("timeline", "Timeline", timeline.element, ...(last ? [make("h3", {}, "What the end waited for"),
    note(`The run was over when ${last.worker} was. What that worker’s ${seconds(total)} went into:`), strip, legend] : []),
    make("h3", {}, "Workers"), workersTable(figures));
}

/** @param {Figures} figures */
function workersTable({ workers }) {
  return table({
    name: "workers", rows: workers, columns: [
      { title: "Worker", value: (row) => row.worker },
      { title: "Tests", value: (row) => row.tests, numeric: true },
      { title: "Start", value: (row) => row.collecting - row.began, show: (row) => seconds(row.collecting - row.began), numeric: true },
      { title: "Collection", value: (row) => row.collected - row.collecting,
        show: (row) => seconds(row.collected - row.collecting), numeric: true },
      { title: "In tests", value: (row) => row.busy, show: (row) => seconds(row.busy), numeric: true },
      { title: "Idle", value: (row) => idleOf(row), show: (row) => seconds(idleOf(row)), numeric: true },
    ],
  });
}

/** @param {WorkerOfRun} worker */
function idleOf(worker) {
  return worker.idle.reduce((sum, [start, stop]) => sum + stop - start, 0);
}

/** @param {Figures} figures */
function changesSection({ changes, run }) {
  /** @type {(rows: Change[], kind: string) => HTMLElement} */
  const list = (rows, kind) => table({
    name: `${kind} tests`, rows, text: (row) => row.nodeid, sorted: 3, ascending: kind === "faster", empty: `No test is ${kind} than noise explains.`,
    columns: [
      { title: "Test", value: (row) => row.nodeid, show: (row) => testName(row.nodeid), wide: true },
      { title: "Before", value: (row) => row.band.middle, show: (row) => seconds(row.band.middle), numeric: true },
      { title: "Now", value: (row) => row.now, show: (row) => seconds(row.now), numeric: true },
      { title: "Difference", value: (row) => row.difference,
        show: (row) => `${row.difference > 0 ? "+" : "−"}${seconds(Math.abs(row.difference))}`, numeric: true },
      { title: "Noise", value: (row) => row.band.high - row.band.low,
        show: (row) => `${seconds(row.band.low)} – ${seconds(row.band.high)}`, numeric: true },
    ],
  });
  const compared = run?.compared_runs ? `Compared with ${run.baseline}, ${plural(run.compared_runs, "run")}; what slows all tests alike is taken out.`
    : "There is no earlier run to compare with yet.";
  return section("changes", "Slower and faster", note(compared),
    ...(run?.compared_runs ? [make("h3", {}, "Slower"), list(changes.slower, "slower"), make("h3", {}, "Faster"), list(changes.faster, "faster")] : []));
}

/** @param {Figures} figures */
function testsSection({ tests, run }) {
  const rows = tests.nodeid.map((_, test) => test);
  const most = rows.reduce((longest, test) => Math.max(longest, tests.seconds[test]), 0);
  /** @type {(title: string, name: "setup" | "call" | "teardown" | "processor" | "slept") => Column<number>} */
  const time = (title, name) => ({ title, value: (test) => tests[name][test], numeric: true,
    show: (test) => (tests[name][test] ? seconds(tests[name][test]) : "–") });
  return section("tests", "Slowest tests", note(
    "“Itself” leaves out imports and fixtures of wider scopes, which say nothing of the test that came first. The phases hold all."), table({
    name: "tests", rows, sorted: 1, text: (test) => `${tests.nodeid[test]} ${tests.outcome[test]} ${tests.tier[test]}`,
    columns: [
      { title: "Test", value: (test) => tests.nodeid[test], wide: true, show: (test) => testName(tests.nodeid[test], tests.line[test]) },
      { title: "Itself", value: (test) => tests.seconds[test], numeric: true, show: (test) => make("span", { class: "measure" },
        bar(tests.seconds[test], most, tests.outcome[test] === "failed" ? "bad" : "call"), seconds(tests.seconds[test])) },
      time("Set-up", "setup"), time("Call", "call"), time("Tear-down", "teardown"), time("Processor", "processor"),
      ...(tests.slept.some(Boolean) ? [time("Slept", "slept")] : []),
      ...(run?.counts_statements ? [/** @type {Column<number>} */ ({ title: "Statements", value: (test) => tests.statements[test],
        numeric: true, show: (test) => count(tests.statements[test]) })] : []),
      { title: "Outcome", value: (test) => tests.outcome[test], show: (test) => outcome(tests.outcome[test]) },
    ],
  }));
}

/** @param {string} word */
function outcome(word) {
  return make("span", { class: `outcome ${["failed", "passed", "flaky"].includes(word) ? word : "other"}` }, word || "not run");
}

/** @param {Fixture[]} fixtures */
function fixturesSection(fixtures) {
  const most = fixtures.reduce((longest, fixture) => Math.max(longest, fixture.seconds), 0);
  return section("fixtures", "Fixtures", note("What each took in all, without the fixtures it asks for."), table({
    name: "fixtures", rows: fixtures, sorted: 1, text: (row) => `${row.name} ${row.scope} ${row.place}`, empty: "No fixture was set up.",
    columns: [
      { title: "Fixture", value: (row) => row.name, wide: true, show: (row) => make("span", { class: "test" },
        make("span", {}, row.name), make("span", { class: "place" }, `${row.scope}${row.place ? `, ${row.place}` : ""}`)) },
      { title: "In all", value: (row) => row.seconds, numeric: true,
        show: (row) => make("span", { class: "measure" }, bar(row.seconds, most, "setup"), seconds(row.seconds)) },
      { title: "Set-ups", value: (row) => row.setups, numeric: true, show: (row) => count(row.setups) },
      { title: "Each", value: (row) => row.seconds / row.setups, numeric: true, show: (row) => seconds(row.seconds / row.setups) },
      { title: "Longest", value: (row) => row.longest, numeric: true, show: (row) => seconds(row.longest) },
    ],
  }));
}

/** @param {Figures} figures */
function statementsSection({ statements, run }) {
  if (!run?.counts_statements) return "";
  return section("statements", "Statements", note("By shape: the text without its values. Repeated means: within one test."), table({
    name: "statements", rows: statements, sorted: 1, text: (row) => `${row.text} ${row.in}`,
    columns: [
      { title: "Statement", value: (row) => row.text, wide: true, show: (row) => make("span", { class: "test" },
        make("span", { class: "statement" }, row.text || "text not recorded"), make("span", { class: "place" }, `most in ${row.in}`)) },
      { title: "In all", value: (row) => row.seconds, numeric: true, show: (row) => seconds(row.seconds) },
      { title: "Executed", value: (row) => row.count, numeric: true, show: (row) => count(row.count) },
      { title: "Tests", value: (row) => row.tests, numeric: true, show: (row) => count(row.tests) },
      { title: "Repeated", value: (row) => row.most, numeric: true, show: (row) => count(row.most) },
    ],
  }));
}

/** @param {CollectedFile[]} files */
function collectionSection(files) {
  return section("collection", "Collection", note("An import counts for the file that asked for it first."), table({
    name: "files", rows: files, sorted: 2, text: (row) => row.file, empty: "Not recorded.",
    columns: [
      { title: "File", value: (row) => row.file, wide: true },
      { title: "Itself", value: (row) => row.own, numeric: true, show: (row) => seconds(row.own) },
      { title: "Imports", value: (row) => row.imports, numeric: true, show: (row) => seconds(row.imports) },
    ],
  }));
}
