"use strict";
// Builds the page from its figures.

(() => {
  /** @type {Figures} */
  const figures = JSON.parse(document.getElementById("figures")?.textContent ?? "{}");
  const main = /** @type {HTMLElement} */ (document.getElementById("content"));
  const { run } = figures;
  document.title = `Test performance of ${figures.project}`;
  const notices = figures.notices.length ? make("div", { class: "notices" }, make("h2", {}, "Records that were passed over"),
    make("ul", {}, ...figures.notices.map((text) => make("li", {}, text)))) : "";
  if (run) {
    const timeline = new Timeline(figures);
    main.append(lead(figures), adviceSection(figures.advice), headlineSection(figures), timelineSection(figures, timeline),
      changesSection(figures), testsSection(figures), fixturesSection(figures.fixtures), statementsSection(figures),
      collectionSection(figures.collection), flakySection(figures.flaky), trendsSection(figures), shardsSection(figures.shards),
      budgetsSection(figures.budgets), tiersSection(figures), notices);
    timeline.begin();
    foot(run);
  } else {
    main.append(make("h1", {}, figures.project), make("p", { class: "lead" },
      "There is no record of a run yet. Run the tests, and build this page again: each run leaves one in .cache/tests/runs."), notices);
  }
  document.getElementById("sections")?.append(...[...main.querySelectorAll("section")].map((part) => make("li", {},
    make("a", { href: `#${part.id}` }, part.querySelector("h2")?.textContent ?? ""))));
  chooseScheme();

  /** @param {Figures} figures */
  function lead({ project, run }) {
    if (!run) return "";
    const band = run.wall_band;
    const usual = !band ? "" : run.wall > band.high ? `, slower than ${run.baseline}` : run.wall < band.low ? `, faster than ${run.baseline}`
      : `, as usual for ${run.baseline}`;
    const where = [moment(run.started), run.branch, run.commit.slice(0, 8), run.python && `Python ${run.python}`, run.platform,
      run.shards ? plural(run.shards, "shard") : ""].filter(Boolean).join(" · ");
    const partly = run.verdict === "interrupted" || run.verdict === "ended early" ? " It didn’t reach its end, so it isn’t compared." : "";
    return make("div", { class: "intro" }, make("h1", {}, project), make("p", { class: "lead" }, outcome(run.verdict),
      ` ${plural(run.tests, "test")} in ${seconds(run.wall)}${usual}.${partly}`), make("p", { class: "quiet" }, where));
  }

  /** @param {RunOfTests} run */
  function foot(run) {
    document.getElementById("foot")?.append(make("p", {}, `Every figure is from records of runs: this run’s is ${run.record}, `
      + `pytest ${run.arguments.join(" ")}. Built by pytest-tiers.`));
  }

  function chooseScheme() {
    const button = /** @type {HTMLButtonElement} */ (document.getElementById("scheme"));
    const preferred = matchMedia("(prefers-color-scheme: dark)");
    let dark = preferred.matches;
    const apply = () => {
      document.documentElement.dataset.scheme = dark ? "dark" : "light";
      button.setAttribute("aria-pressed", String(dark));
      redrawAll();
    };
    button.addEventListener("click", () => {
      dark = !dark;
      apply();
    });
    preferred.addEventListener("change", () => {
      dark = preferred.matches;
      apply();
    });
    addEventListener("beforeprint", () => {
      document.documentElement.dataset.scheme = "light";
      redrawAll();
    });
    addEventListener("afterprint", apply);
    apply();
  }
})();
