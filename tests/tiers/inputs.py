"""What tests are fed with: the times of a real project, and files damaged at random."""

import json
import random
from pathlib import Path

TIMES = Path(__file__).parent / "timing" / "data" / "durations.json"


def real_times() -> dict[str, dict[str, float]]:
    """Return the seconds of a real project's 1,774 tests, by file. Eleven tests of 35 to 42 s hold most of it."""
    content = json.loads(TIMES.read_text())
    return {
        f"tests/test_{file:03}.py": {
            f"tests/test_{file:03}.py::test_{number:03}": microseconds / 1e6
            for number, microseconds in enumerate(of_file)
        }
        for file, of_file in enumerate(content["files"])
    }


def damaged(whole: bytes, generator: random.Random) -> bytes:
    """Return a copy of `whole` that is damaged in one to five places: bytes changed, added, or all the rest lost."""
    content = bytearray(whole)
    for _ in range(generator.randrange(1, 6)):
        place = generator.randrange(len(content))
        match generator.randrange(3):
            case 0:
                content[place] = generator.randrange(256)
            case 1:
                del content[place:]
                content += b" "
            case 2:
                content[place:place] = generator.randbytes(3)
    return bytes(content)
