"""The report of a member's year, made from the logs alone; the same bytes on every node."""

from federation.annual.document import Format, write_report
from federation.annual.items import HEADS, Head, Item, Link
from federation.annual.reading import AnnualError, Place, Question, year_begins
from federation.annual.report import (
    AnnualReport,
    CountedLog,
    CutLog,
    Log,
    charter_at,
    report_year,
)

__all__ = [
    "HEADS",
    "AnnualError",
    "AnnualReport",
    "CountedLog",
    "CutLog",
    "Format",
    "Head",
    "Item",
    "Link",
    "Log",
    "Place",
    "Question",
    "charter_at",
    "report_year",
    "write_report",
    "year_begins",
]
