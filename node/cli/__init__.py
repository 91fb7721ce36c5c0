"""The command `tocsin`: nouns, then verbs; stdout is data, stderr is talk."""

from __future__ import annotations

import contextlib
import difflib
import errno
import os
import sys
from importlib import import_module
from pathlib import Path

import click

from node import __version__
from node.cli.output import complain
from node.errors import EXIT_FAILED, EXIT_USAGE

# name: (module, help). Modules are imported only when their command runs: `tocsin --help` stays
# fast, and a command loads neither gRPC nor a database that it does not need.
_COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("node.cli.demo", "Show a whole federation on this machine, checked step by step."),
    "sandbox": ("node.cli.sandbox", "Run a federation of real nodes on this machine."),
    "init": ("node.cli.init", "Create a member: its keys, its certificate authority, its home."),
    "charter": ("node.cli.charter", "Make, sign, check and follow the federation's charter."),
    "node": ("node.cli.node", "Run a node, and ask how it is."),
    "status": ("node.cli.status", "Tell how the running node is."),
    "key": ("node.cli.key", "Make, refresh and show the federation's token keys."),
    "check": ("node.cli.check", "Ask what the federation knows about values."),
    "explain": ("node.cli.explain", "Explain the verdict on one value, term by term."),
    "nominate": ("node.cli.nominate", "Share fraud indicators with the federation, as tokens."),
    "sight": ("node.cli.say", "Say that values were seen again, or found false."),
    "opine": ("node.cli.say", "Agree or disagree with what is known about values."),
    "retract": ("node.cli.say", "Take own nominations back."),
    "reassign": ("node.cli.say", "Say that numbers have a new owner (carriers)."),
    "protect": ("node.cli.say", "Declare values that must never be acted on."),
    "watch": ("node.cli.watch", "Keep a private watchlist of own customers."),
    "hits": ("node.cli.watch", "List own customers that the federation speaks about."),
    "train": ("node.cli.train", "Train a model together: plan, approve, follow, release."),
    "matter": ("node.cli.matter", "List what goes on between the members, and what is due."),
    "report": ("node.cli.report", "Take citizens' reports in, and tell them what came of it."),
    "mark": ("node.cli.mark", "Count how customers mark numbers, and show what many say."),
    "warn": ("node.cli.warn", "Warn likely victims, and send what concerns own customers."),
    "call": ("node.cli.call", "Ask carriers about a payer's calls before a payment."),
    "duty": ("node.cli.duty", "List responsibilities, adopt them, attest that they are kept."),
    "dispose": ("node.cli.dispose", "Order measures, and carry out what concerns own customers."),
    "appeal": ("node.cli.appeal", "File and decide appeals of persons concerned by measures."),
    "one-id": ("node.cli.one_id", "Let citizens see and dispute what stands under their ID."),
    "notice": ("node.cli.notice", "Give members notice of problems, and mend them."),
    "sum": ("node.cli.sum", "Add numbers up with others without showing one's own."),
    "farm": ("node.cli.farm", "Find sites of SIM farms with other carriers."),
    "iot": ("node.cli.iot", "Inspect own IoT cards, and add the counts up with carriers."),
    "match": ("node.cli.match", "Find own accounts behind carriers' high-risk numbers."),
    "verify": ("node.cli.verify", "Ask all members about an indicator; see only the tally."),
    "clue": ("node.cli.clue", "Hand clues over to the police, and learn what came of them."),
    "designation": ("node.cli.designation", "Put objects into a case (police), and list them."),
    "trace": ("node.cli.trace", "Follow an object to its source, from holder to holder."),
    "brief": ("node.cli.brief", "Tell the others about a case, and read what they tell."),
    "log": ("node.cli.log", "Show, prove and verify logs."),
    "conformance": ("node.cli.conformance", "Test vectors and running nodes against the contract."),
    "bulk": ("node.cli.bulk", "Tokenise and match very many values, on a cluster if need be."),
    "config": ("node.cli.config", "Show the settings and where each comes from."),
}


class Commands(click.Group):
    """A group whose commands are imported when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command's module and return its command."""
        if cmd_name not in _COMMANDS:
            return None
        module, _help = _COMMANDS[cmd_name]
        command = getattr(import_module(module), f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)  # noqa: S101  # a table row, held by a test
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and for a misspelt one the nearest."""
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], _COMMANDS, n=1)
            suggestion = f", did you mean {near[0]}?" if near else ""
            ctx.fail(f"there is no such command{suggestion}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in _COMMANDS.items()])


EPILOG = """\b
Exit codes: 0 done, 1 failed, 2 wrong use or configuration.
Errors are two lines on stderr: `tocsin: error: ...` and `tocsin: hint: ...`.

\b
EXAMPLES
  tocsin demo
  tocsin sandbox up /tmp/federation
  tocsin --home /tmp/federation/bank-x check domain example.com
"""


@click.group(
    cls=Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.option(
    "--home",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("~/.tocsin"),
    show_default=True,
    envvar="TOCSIN_HOME",
    help="The member's home directory.",
)
@click.version_option(__version__, prog_name="tocsin")
@click.pass_context
def tocsin(context: click.Context, home: Path) -> None:
    """Fight telecom and network fraud together without showing each other your customers."""
    context.obj = home.expanduser()


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; errors become two lines and an exit code."""
    # gRPC writes its own lines about failed connections to stderr; ours say it better.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        result = tocsin.main(args=arguments, prog_name="tocsin", standalone_mode=False)
    except click.exceptions.Exit as done:
        sys.exit(done.exit_code)
    except click.exceptions.Abort:
        complain("stopped", None)
        sys.exit(EXIT_FAILED)
    except click.ClickException as error:
        sys.exit(_complain_about_use(error))
    except BrokenPipeError:
        # Whoever read our data has enough; Python must not meet the closed pipe again.
        _drop_output()
        sys.exit(EXIT_FAILED)
    except UnicodeEncodeError:  # bytes in an argument that are no text, or a terminal without UTF-8
        complain("there is text outside this terminal's encoding", "use UTF-8: LC_ALL=C.UTF-8")
        sys.exit(EXIT_USAGE)
    except OSError as error:
        sys.exit(_complain_about_system(error))
    except Exception as error:  # the outermost handler: a person must get an answer
        sys.exit(complain_about(error))
    sys.exit(result if isinstance(result, int) else 0)


def _complain_about_use(error: click.ClickException) -> int:
    """Tell a person what is wrong with the words of the command."""
    message = " ".join(error.format_message().split()).rstrip(".")
    context = getattr(error, "ctx", None)
    path = "tocsin" if context is None else context.command_path
    complain(message[:1].lower() + message[1:], f"{path} --help")
    return error.exit_code


def _complain_about_system(error: OSError) -> int:
    """Tell a person what the system refused; where data was to go, Python must not try again."""
    sentence = error.strerror or type(error).__name__
    where = f": {error.filename}" if isinstance(error.filename, str) else ""
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    hint = "make room, and run it again" if full else "set TOCSIN_TRACE=1 to see where"
    complain(f"the system refused: {sentence}{where}", hint)
    _trace(error)
    _drop_output()
    return EXIT_FAILED


def _drop_output() -> None:
    """Send what is still buffered for stdout nowhere, so that Python does not fail at its end."""
    with contextlib.suppress(OSError):  # a stdout without a descriptor needs nothing
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def complain_about(error: Exception) -> int:
    """Tell a person about an error of ours; any other is shown by name only.

    Returns:
        The exit code.
    """
    reason = getattr(error, "reason", None)
    if reason is None:
        complain(f"internal error: {type(error).__name__}", "set TOCSIN_TRACE=1 to see where")
        _trace(error)
        return EXIT_FAILED
    complain(f"{error} [{reason}]", getattr(error, "hint", None))
    _trace(error)
    return int(getattr(error, "exit_code", EXIT_FAILED))


def _trace(error: Exception) -> None:
    import traceback

    if os.environ.get("TOCSIN_TRACE"):
        traceback.print_exception(error)
