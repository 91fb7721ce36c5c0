"""Draw the table of one kind of matter, for people."""

from collections import defaultdict

from federation.matters.procedure import Kind, State, Transition
from federation.matters.table import PROCEDURES


def draw_states(kind: Kind) -> str:
    """Draw the table as a Mermaid state diagram, one line for each way from state to state."""
    arrows: defaultdict[tuple[State, State], list[str]] = defaultdict(list)
    procedure = PROCEDURES[kind]
    for row in procedure.table:
        arrows[row.state, row.next].append(_label(row))
    lines = ["stateDiagram-v2"]
    for (state, to), labels in arrows.items():
        start = "[*]" if state is State.ABSENT else state
        lines.append(f"    {start} --> {to}: {', '.join(dict.fromkeys(labels))}")
    over = procedure.settled | procedure.final & {row.next for row in procedure.table}
    return "\n".join([*lines, *(f"    {state} --> [*]" for state in sorted(over))]) + "\n"


def list_steps(kind: Kind) -> str:
    """Write the table as one in Markdown."""
    lines = [
        "| state | statement | who | what must hold | next state | next step due |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in PROCEDURES[kind].table:
        who = f"{row.part.value}: {', '.join(sorted(row.roles))}"
        rules = "; ".join(f"{rule.sentence} (`{rule.name}`)" for rule in row.rules) or "-"
        cells = (row.state, f"`{_label(row)}`", who, rules, row.next, row.due.sentence)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _label(row: Transition) -> str:
    return row.body.__name__ + ("" if row.choice is None else f" {row.choice.name}")
