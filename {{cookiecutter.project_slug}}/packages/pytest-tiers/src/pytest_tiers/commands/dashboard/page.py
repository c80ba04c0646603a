"""Assembles the page: one HTML file with its styles, scripts and figures in it, which needs nothing else.

A content security policy in its head lets run only these scripts, known by their digests, and loads nothing from anywhere. The
figures are data that no browser runs, and the scripts write texts as texts: a test's id can hold what it likes.
"""

import base64
import hashlib
import json
import re
from importlib import resources
from typing import Any

SCRIPTS = (
    "uplot.min.js",
    "format.js",
    "table.js",
    "canvas.js",
    "timeline.js",
    "charts.js",
    "sections.js",
    "history.js",
    "main.js",
)
STYLES = ("uplot.min.css", "style.css")
UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}


def build(figures: dict[str, Any]) -> str:
    """Return the page of these figures."""
    folder = resources.files(__package__) / "page"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    styles = "\n".join(map(text, STYLES))
    scripts = [text(name) for name in SCRIPTS]
    policy = (
        f"default-src 'none'; style-src '{_digest(styles)}'; script-src {' '.join(map(repr, map(_digest, scripts)))}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # ASCII only, so that what isn't valid Unicode in an id, a lone surrogate, does no harm either.
    data = json.dumps(figures, separators=(",", ":")).translate(UNSAFE)
    parts = {
        "policy": policy,
        "styles": f"<style>{styles}</style>",
        "figures": f'<script type="application/json" id="figures">{data}</script>',
        "scripts": "\n".join(f"<script>{script}</script>" for script in scripts),
    }
    # In one go: what is put in may look like a place itself.
    return re.sub(r"%(policy|styles|figures|scripts)%", lambda place: parts[place[1]], text("page.html"))


def _digest(content: str) -> str:
    digest = hashlib.sha256(content.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"
