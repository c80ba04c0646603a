"""The test performance dashboard: what to do about a slow suite, and what that is told by, on one page.

Reads the records that runs have left in .cache/tests/runs, or those in a folder of artefacts of CI, and writes one HTML file that
needs no network. The last run is shown, the others are what it is compared with. The same figures come as Markdown, as JSON, and
as a trace for Perfetto.
"""

import json
import sys
import webbrowser
from pathlib import Path

from pytest_tiers.commands.running import CommandError, parser_of, suite
from pytest_tiers.config import prepare_cache
from pytest_tiers.timing.records import runs_folder

__all__ = ["main"]


def main(arguments: list[str]) -> int:
    """Build the page and open it; return the exit code."""
    parser = parser_of("dashboard", __doc__)
    parser.add_argument(
        "folder",
        type=Path,
        nargs="?",
        metavar="FOLDER",
        help="records, also in folders below (default: .cache/tests/runs)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="the page (default: .cache/tests/dashboard.html)"
    )
    parser.add_argument("--no-open", action="store_true", help="don't open it in a browser")
    parser.add_argument(
        "--markdown", type=Path, metavar="FILE", help="write a summary; it is appended, as CI's summaries are"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write the timeline for Perfetto")
    options = parser.parse_args(arguments)
    settings = suite()
    folder = options.folder or runs_folder(settings)
    if options.folder and not folder.is_dir():
        raise CommandError(
            f"{folder} is no folder: name one with records of runs, or none for those of this checkout."
        )
    from pytest_tiers.commands.dashboard import figures, markdown, page, reading, trace

    found = figures.collect(reading.read_history(folder), settings)
    for notice in found["notices"]:
        print(f"Passed over: {notice}", file=sys.stderr)
    try:
        output = (options.output or prepare_cache(settings) / "dashboard.html").absolute()
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(page.build(found), encoding="utf-8")
        if options.markdown:
            with options.markdown.open("a", encoding="utf-8") as file:
                file.write(f"{markdown.write(found)}\n")
        if options.json:
            options.json.write_text(json.dumps(found), encoding="utf-8")
        if options.trace:
            options.trace.write_text(json.dumps(trace.write(found)), encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"The page can't be written: {error}. Say where it can be: --output PATH", 1
        ) from None
    if not found["run"]:
        print(f"There is no record of a run in {folder}: run the tests first.", file=sys.stderr)
    print(f"{output} ({output.stat().st_size / 1e6:.1f} MB)")
    if not options.no_open and not webbrowser.open(output.as_uri()):
        print("No browser could be opened: open that file in one.", file=sys.stderr)
    return 0
