"""The `tools` of a service, imported from the template as they are: these modules hold nothing to render."""

import sys

from rendering import ROOT

TEMPLATE = ROOT / "{{cookiecutter.project_slug}}"

sys.path.insert(0, str(TEMPLATE))
try:
    from tools import budgets, changed, import_durations, plan, records, report, store, workers
finally:
    sys.path.remove(str(TEMPLATE))

__all__ = [
    "TEMPLATE",
    "budgets",
    "changed",
    "import_durations",
    "plan",
    "records",
    "report",
    "store",
    "workers",
]
