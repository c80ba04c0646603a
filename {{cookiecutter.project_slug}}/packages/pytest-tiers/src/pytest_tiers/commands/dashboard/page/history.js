"use strict";
// What the page says of earlier runs, of shards, budgets and tiers.

/** @param {Flaky[]} tests */
function flakySection(tests) {
  return section("flaky", "Flaky tests", table({
    name: "flaky tests", rows: tests, sorted: 1, text: (row) => row.nodeid, empty: "None is known from these runs.",
    columns: [
      { title: "Test", value: (row) => row.nodeid, wide: true, show: (row) => testName(row.nodeid) },
      { title: "Failed", value: (row) => row.failures / row.runs, numeric: true, show: (row) => `${row.failures} of ${row.runs}` },
      { title: "On main", value: (row) => row.failures_on_main / Math.max(row.runs_on_main, 1), numeric: true,
        show: (row) => (row.runs_on_main ? `${row.failures_on_main} of ${row.runs_on_main}` : "–") },
      { title: "Runs, the last on the right", value: (row) => row.outcomes.length, show: (row) => pastOutcomes(row.outcomes) },
      { title: "Here", value: (row) => row.here, show: (row) => outcome(row.here) },
    ],
  }));
}

/** @param {string[]} outcomes */
function pastOutcomes(outcomes) {
  return make("span", { class: "history", role: "img", "aria-label": outcomes.map((word) => word || "not run").join(", ") },
    ...outcomes.map((word) => make("i", { class: word || "missing", title: word || "not run" })));
}

/** @param {Figures} figures */
function trendsSection({ trends, run }) {
  const same = trends.filter((trend) => trend.alike);
  if (same.length < 2) return section("trends", "Trends", note("One run says nothing about a trend: there will be one with the next."));
  const tiers = [...new Set(same.flatMap((trend) => Object.keys(trend.tiers)))];
  const shades = ["call", "setup", "collecting", "muted"];
  return section("trends", "Trends", note(`${plural(same.length, "run")} of these tests; the band is the noise of ${run?.baseline}.`), make("div", { class: "charts" },
    trendChart({ name: "Wall time", trends: same, band: run?.wall_band, format: seconds, values: [{ name: "wall", color: "call", of: (trend) => trend.wall }] }),
    trendChart({ name: "Tests", trends: same, format: count, values: [{ name: "tests", color: "call", of: (trend) => trend.tests }] }),
    trendChart({ name: "Collection", trends: same, band: run?.collection_band, format: seconds,
      values: [{ name: "collection", color: "call", of: (trend) => trend.collection }] }),
    trendChart({ name: `Seconds by tier: ${tiers.join(", ")}`, trends: same, format: seconds,
      values: tiers.map((tier, number) => ({ name: tier, color: shades[number % 4], of: (trend) => trend.tiers[tier] ?? 0 })) })),
    make("h3", {}, "Runs"), table({
      name: "runs", rows: trends.slice().reverse(), columns: [
        { title: "Began", value: (row) => row.started, show: (row) => moment(row.started) },
        { title: "Verdict", value: (row) => row.verdict, show: (row) => outcome(row.verdict) },
        { title: "Wall time", value: (row) => row.wall, numeric: true, show: (row) => seconds(row.wall) },
        { title: "Tests", value: (row) => row.tests, numeric: true, show: (row) => count(row.tests) },
        { title: "Workers", value: (row) => row.workers, numeric: true },
        { title: "Branch", value: (row) => row.branch, show: (row) => [row.branch, row.commit.slice(0, 8)].filter(Boolean).join(" ") || "–" },
        { title: "Record", value: (row) => row.record, wide: true },
      ],
    }));
}

/** @param {ShardOfRun[]} shards */
function shardsSection(shards) {
  if (!shards.length) return "";
  return section("shards", "Shards", note(`${shards.length} of ${shards[0].of} are recorded.`), table({
    name: "shards", rows: shards, columns: [
      { title: "Shard", value: (row) => row.shard, numeric: true },
      { title: "Tests", value: (row) => row.tests, numeric: true, show: (row) => count(row.tests) },
      { title: "Predicted", value: (row) => row.predicted ?? 0, numeric: true, show: (row) => (row.predicted === null ? "–" : seconds(row.predicted)) },
      { title: "Took", value: (row) => row.seconds, numeric: true, show: (row) => seconds(row.seconds) },
      { title: "Off by", value: (row) => (row.predicted ? row.seconds / row.predicted - 1 : 0), numeric: true,
        show: (row) => (row.predicted ? `${row.seconds >= row.predicted ? "+" : "−"}${percent(Math.abs(row.seconds / row.predicted - 1))}` : "–") },
      { title: "Wall time", value: (row) => row.wall, numeric: true, show: (row) => seconds(row.wall) },
      { title: "Record", value: (row) => row.record, wide: true },
    ],
  }));
}

/** @param {Budget[]} budgets */
function budgetsSection(budgets) {
  return section("budgets", "Budgets", table({
    name: "budgets", rows: budgets, empty: "None is set in [tool.tiers.budgets] of pyproject.toml.", columns: [
      { title: "Budget", value: (row) => row.budget },
      { title: "For", value: (row) => row.what, wide: true, show: (row) => (row.nodeid ? make("span", { class: "test" },
        make("span", {}, row.what), make("span", { class: "place" }, row.nodeid)) : row.what) },
      { title: "Allowed", value: (row) => row.limit, numeric: true, show: (row) => seconds(row.limit) },
      { title: "Took", value: (row) => row.seconds, numeric: true, show: (row) => seconds(row.seconds) },
      { title: "Used", value: (row) => row.seconds / row.limit, numeric: true, show: (row) => make("span", { class: "measure" },
        bar(row.seconds, row.limit, row.seconds > row.limit ? "bad" : "call"), percent(row.seconds / row.limit)) },
    ],
  }));
}

/** @param {Figures} figures */
function tiersSection({ tiers, misplaced, run }) {
  const most = tiers.reduce((longest, tier) => Math.max(longest, tier.seconds), 0);
  return section("tiers", "Tiers", table({
    name: "tiers", rows: tiers, columns: [
      { title: "Tier", value: (row) => row.tier },
      { title: "Tests", value: (row) => row.tests, numeric: true, show: (row) => count(row.tests) },
      { title: "In all", value: (row) => row.seconds, numeric: true,
        show: (row) => make("span", { class: "measure" }, bar(row.seconds, most), seconds(row.seconds)) },
      { title: "Each", value: (row) => row.seconds / row.tests, numeric: true, show: (row) => seconds(row.seconds / row.tests) },
      ...(run?.counts_statements ? [/** @type {Column<Tier>} */ ({ title: "Statements", value: (row) => row.statements, numeric: true,
        show: (row) => count(row.statements) })] : []),
    ],
  }), make("div", { id: "misplaced" }, make("h3", { id: "misplaced-title", tabindex: "-1" }, "Tests that look misplaced"), table({
    name: "misplaced tests", rows: misplaced, sorted: 1, text: (row) => row.nodeid, empty: "None.", columns: [
      { title: "Test", value: (row) => row.nodeid, wide: true, show: (row) => testName(row.nodeid) },
      { title: "Took", value: (row) => row.seconds, numeric: true, show: (row) => seconds(row.seconds) },
      { title: "Why", value: (row) => row.why, wide: true },
    ],
  })));
}
