"""``campaign``: finds the verb, runs it, and gives every ending its message and its status.

A verb is a module of this package with ``command``, a click command whose function returns an exit status (or
None for 0).  Only the module of the verb that was asked for is imported.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from keyword import iskeyword
from typing import NoReturn

import click
from click.exceptions import Exit, NoArgsIsHelpError
from click.shell_completion import CompletionItem

from campaign import __version__
from campaign.cli.terminal import visible
from campaign.diagnostics import CampaignError, Diagnostic, ExitStatus

#: Every verb and what it does; ``campaign VERB`` imports ``campaign.cli.VERB`` and no other.
VERBS: Mapping[str, str] = {
    "exec": "Plan, admit, run to the end and report.",
    "check": "Say everything that can be known of specs without running them.",
    "fmt": "Write specs in the canonical layout, comments kept.",
    "plan": "Show the matrix and its counts, or what changed in it.",
    "explain": "Explain one run of a spec, or a diagnostic code.",
    "groups": "List the groups of a spec.",
    "instances": "List the instances of a spec.",
    "daemon": "Carry out the queue of a workspace.",
    "submit": "Put a campaign into the queue.",
    "status": "Show the queue, and who carries it out.",
    "wait": "Wait for the end of a campaign.",
    "pause": "Have nothing more started, of a campaign or of everything.",
    "resume": "Take pauses back.",
    "cancel": "End a campaign, or some of its instances.",
    "release": "Give back the slots of a lost run, or of a fault that could not be taken back.",
    "retry": "Carry out again what did not pass.",
    "minimize": "Make a failure smaller, and write a spec of the smallest one.",
    "replay": "Carry out a run again as it was, and say whether the same failure comes back.",
    "iterate": "Retry what fails, round by round, until a target win rate is reached.",
    "rerun": "Begin a recorded campaign anew, from its snapshot.",
    "recheck": "Judge saved evidence again, by spec and rule sets as they are now.",
    "compare": "Compare two campaigns cell by cell: fixed, regressed, not run.",
    "list": "List the campaigns of this workspace.",
    "show": "Show a campaign, or one of its runs.",
    "logs": "Print the output of a run.",
    "export": "Write a campaign to one archive.",
    "import": "Take in a campaign from an archive.",
    "note": "Keep a remark on a campaign or a run.",
    "mark": "Mark a campaign or a run as notable.",
    "clean": "Remove old campaigns that nothing keeps.",
    "failures": "List failures by fingerprint.",
    "analyze": "Say why runs failed, how sure that is, and what to do next.",
    "report": "Write reports again from what was recorded.",
    "host": "Show this machine, or the one that a campaign ran on.",
    "rules": "Check, explain, test and tighten rule sets.",
    "quarantine": "Write into a rule set that a failure does not count for now.",
    "plugins": "List what is installed, from where, and what it provides.",
    "doctor": "Say what is missing on this machine and how to get it.",
    "new": "Create a spec or a plugin to start from.",
    "completion": "Print the completion script of a shell.",
}

#: What is wrong with a machine, by the error number that says so.
_MEANS: Mapping[int, str] = {
    errno.ENOSPC: "has run out of disk space",
    errno.EDQUOT: "has run out of disk quota",
    errno.EFBIG: "has run out of allowed file size",
    errno.EMFILE: "has run out of file descriptors (see ulimit -n)",
    errno.ENFILE: "has run out of file descriptors of the whole system",
    errno.ENOMEM: "has run out of memory",
    errno.EAGAIN: "has run out of processes (see ulimit -u)",
    errno.EIO: "reports an input/output error of a disk or terminal",
}
#: How a shell asks for completions; its value says which shell and what for.
COMPLETION_VARIABLE = "_CAMPAIGN_COMPLETE"


class Verbs(click.Group):
    """The table of verbs; help and completion read the table, so that they import nothing."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb of that name, imported now."""
        if cmd_name not in VERBS:
            return None
        module = f"{cmd_name}_" if iskeyword(cmd_name) else cmd_name
        command = import_module(f"campaign.cli.{module}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that is named; one that there is not is told with the one that was meant."""
        word = args[0]
        if word not in VERBS and not word.startswith("-") and not ctx.resilient_parsing:
            from difflib import get_close_matches  # late: only a mistake needs it

            near = get_close_matches(word, VERBS, n=1)
            ctx.fail(f"there is no verb {word!r}{f', did you mean {near[0]}?' if near else ''}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """One line a verb."""
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """The verbs that start so; options as usual."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        return [CompletionItem(verb, help=about) for verb, about in VERBS.items() if verb.startswith(incomplete)]


@click.group(cls=Verbs, subcommand_metavar="VERB …", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, message="campaign %(version)s")
def campaign() -> None:
    """Run test campaigns: short specs, durable runs, real faults, honest verdicts."""


def main() -> NoReturn:
    """The entry point of the command ``campaign``; leaves with one of the statuses of ``ExitStatus``."""
    _ready_streams()
    if COMPLETION_VARIABLE in os.environ:
        _complete()
    sys.exit(run(sys.argv[1:]))


def _ready_streams() -> None:
    """Standard streams that our caller closed become /dev/null, and no text of a user is unprintable."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115 - until the end; takes the closed one's number
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _complete() -> None:
    """Answer a shell that asks for completions; whatever goes wrong while a user types, nothing is printed."""
    try:
        campaign.main(prog_name="campaign", complete_var=COMPLETION_VARIABLE)
    except Exception:
        sys.exit(1)


def run(arguments: Sequence[str]) -> int:
    """Carry out one command line in this process and return its exit status; raises nothing."""
    try:
        return _written(_invoke(arguments))
    except CampaignError as error:
        return _diagnosed(error)
    except click.ClickException as error:
        return _misused(error)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", ExitStatus.INTERRUPTED)
    except BrokenPipeError:
        return _die_of_broken_pipe()
    except (OSError, MemoryError) as error:
        return _environment(error) or _defect(error, arguments)
    except Exception as error:  # the last line of defence: whatever it is, it is our defect
        return _defect(error, arguments)


def _invoke(arguments: Sequence[str]) -> int:
    """Run the verb; its own status, 0 where it has none."""
    try:
        with campaign.make_context("campaign", list(arguments)) as context:
            status = context.command.invoke(context)
    except Exit as ending:  # --help, --version, context.exit(n)
        return ending.exit_code
    return int(status or 0)


def _written(status: int) -> int:
    """The status of a verb once its results are out; where they cannot be written, 0 becomes 3, others stay."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - the interpreter would try to flush again
        _environment(error)
        return status or int(ExitStatus.SETUP)
    return status


def _say(message: str, status: ExitStatus) -> int:
    try:
        _written(0)
        print(f"campaign: {message}", file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens; the status still tells
    return int(status)


def _diagnosed(error: CampaignError) -> int:
    from campaign.cli.render import print_diagnostics  # late: most commands end without a diagnostic

    try:
        _written(0)
        print_diagnostics(error.diagnostics, sys.stderr)
    except OSError:
        pass  # nobody listens; the status still tells
    return int(error.status)


def _misused(error: click.ClickException) -> int:
    """A wrong command line, in one line; ``campaign`` alone gets the help."""
    if isinstance(error, NoArgsIsHelpError):
        print(error.format_message(), file=sys.stderr)
        return int(ExitStatus.USAGE)
    context = error.ctx if isinstance(error, click.UsageError) else None
    command = context.command_path if context else "campaign"
    message = visible(" ".join(error.format_message().split())).rstrip(".")
    return _say(f"{message}; see {command} --help", ExitStatus.USAGE)


def _die_of_broken_pipe() -> int:
    """End as every filter does whose reader has left: by SIGPIPE, in silence (``campaign plan --list | head``)."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGPIPE)
    return 128 + signal.SIGPIPE


def _environment(error: OSError | MemoryError) -> int | None:
    """What is the machine's fault and not ours: said in one sentence, status 3; None for the rest."""
    number = errno.ENOMEM if isinstance(error, MemoryError) else error.errno or 0
    if number in _MEANS:
        where = f": {error.filename}" if isinstance(error, OSError) and error.filename else ""
        found = Diagnostic("CAMP572", f"this machine {_MEANS[number]}{where}", status=ExitStatus.SETUP)
    elif isinstance(error, FileNotFoundError) and _working_directory_is_gone():
        found = Diagnostic("CAMP573", "the working directory has been removed", status=ExitStatus.SETUP)
    else:
        return None
    return _diagnosed(CampaignError([found]))


def _working_directory_is_gone() -> bool:
    try:
        os.getcwd()
    except OSError:
        return True
    return False


def _defect(error: Exception, arguments: Sequence[str]) -> int:
    from campaign.cli.defect import save_details  # late: never needed, one hopes

    saved = save_details(error, arguments)
    what = visible(f"{type(error).__name__}: {error}")[:300]
    where = f"the details are in {visible(saved)}" if saved else "the details could not be saved"
    return _say(
        f"a defect of campaign itself: {what}\ncampaign: {where}; please report it with them", ExitStatus.DEFECT
    )
