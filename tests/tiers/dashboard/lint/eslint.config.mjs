// The scripts are run one after another in one page, so what one declares others use: unused there is what tsc finds unused.
import js from "@eslint/js";
import globals from "globals";

const shared = ["uPlot", "Timeline", "make", "seconds", "count", "plural", "percent", "moment", "testName", "color", "table",
  "axis", "chart", "hatch", "redrawAll", "trendChart", "bar", "outcome", "adviceSection", "headlineSection", "timelineSection",
  "changesSection", "testsSection", "fixturesSection", "statementsSection", "collectionSection", "flakySection", "trendsSection",
  "note", "section", "shardsSection", "budgetsSection", "tiersSection"];

export default [
  { ignores: ["**/*.min.js"] },
  js.configs.recommended,
  {
    files: ["page/*.js"],
    languageOptions: {
      sourceType: "script",
      ecmaVersion: "latest",
      globals: { ...globals.browser, ...Object.fromEntries(shared.map((name) => [name, "readonly"])) },
    },
    rules: {
      "no-unused-vars": ["error", { vars: "local", argsIgnorePattern: "^_" }],
      "no-redeclare": ["error", { builtinGlobals: false }],
      "no-implied-eval": "error",
      "no-eval": "error",
      "no-restricted-properties": ["error", { property: "innerHTML" }, { property: "outerHTML" }, { property: "insertAdjacentHTML" }],
      eqeqeq: "error",
      "prefer-const": "error",
    },
  },
];
