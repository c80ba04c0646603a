// The figures as figures.py writes them, and what the scripts of the page share.

interface Band { low: number; middle: number; high: number; runs: number }
interface Advice { title: string; evidence: string; seconds: number; section: string; find: string }
interface Change { nodeid: string; now: number; difference: number; band: Band }
interface Flaky {
  nodeid: string; here: string; outcomes: string[]; failures: number; runs: number;
  failures_on_main: number; runs_on_main: number;
}
interface Fixture {
  name: string; scope: string; place: string; setups: number; seconds: number; longest: number; places: number;
}
interface Statement { text: string; count: number; seconds: number; tests: number; most: number; in: string }
interface CollectedFile { file: string; own: number; imports: number }
interface Trend {
  record: string; started: string; branch: string; commit: string; verdict: string; wall: number; collection: number;
  tests: number; failed: number; workers: number; alike: boolean; tiers: Record<string, number>;
}
interface ShardOfRun {
  shard: number; of: number; tests: number; predicted: number | null; seconds: number; wall: number;
  workers: number; record: string;
}
interface Budget { budget: string; what: string; limit: number; seconds: number; nodeid: string }
interface Tier { tier: string; tests: number; seconds: number; statements: number }
interface Misplaced { nodeid: string; why: string; seconds: number }
interface WorkerOfRun {
  worker: string; began: number; collecting: number; collected: number; ended: number; busy: number; tests: number;
  critical: boolean; idle: [number, number][];
}
interface RunOfTests {
  record: string; started: string; branch: string; commit: string; python: string; platform: string; cores: number;
  arguments: string[]; verdict: string; wall: number; serial: number; serial_measured: boolean; speedup: number;
  at_once: number; workers: number; without_workers: boolean; shards: number; collection: number; idle_at_end: number;
  tests: number; outcomes: Record<string, number>; counts_statements: boolean; baseline: string; compared_runs: number;
  wall_band: Band | null; collection_band: Band | null;
}
interface Tests {
  nodeid: string[]; worker: number[]; start: number[]; stop: number[]; seconds: number[]; setup: number[];
  call: number[]; teardown: number[]; processor: number[]; slept: number[]; statements: number[]; repeated: number[];
  executing: number[]; outcome: string[]; tries: number[]; line: number[]; tier: string[]; error: string[];
}
interface Figures {
  version: number; project: string; notices: string[]; trends: Trend[]; run: RunOfTests | null; advice: Advice[];
  workers: WorkerOfRun[]; path: Record<string, number>; tests: Tests; changes: { slower: Change[]; faster: Change[] };
  fixtures: Fixture[]; statements: Statement[]; collection: CollectedFile[]; flaky: Flaky[]; shards: ShardOfRun[];
  budgets: Budget[]; tiers: Tier[]; misplaced: Misplaced[];
}
/** A column of a table: what it shows, and what it is sorted by. */
interface Column<Row> {
  title: string;
  value: (row: Row) => number | string;
  show?: (row: Row) => string | Node;
  numeric?: boolean;
  wide?: boolean;
}
