"""Say where the passfile of a database address is, whatever directory a process was started in."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from federation.training.error import TableError
from federation.training.query import options_of, with_options

PASSFILE: Final = "passfile"


def with_full_passfile(address: str, *directories: Path) -> str:
    """Return the address with its passfile's full path; libpq would ask the current directory.

    Args:
        address: ``postgresql://USER@HOST/DATABASE?passfile=FILE``; without a passfile, or wrong,
            it is returned as it is.
        directories: Where a relative path may start: the first counts where the file is in none.
    """
    try:
        options = options_of(address)
    except (TableError, ValueError):
        return address  # whoever opens it says what is wrong
    named = options.get(PASSFILE)
    if not named or Path(named).is_absolute():
        return address
    places = [directory.absolute() / named for directory in directories]
    found = next((place for place in places if place.exists()), places[0])
    return with_options(address, options | {PASSFILE: str(found)})
