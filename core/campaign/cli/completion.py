"""``campaign completion``: the script that makes a shell complete verbs, options and what a workspace holds."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from campaign.cli.main import COMPLETION_VARIABLE, campaign


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    bash   echo 'eval "$(campaign completion bash)"' >> ~/.bashrc
    zsh    echo 'eval "$(campaign completion zsh)"' >> ~/.zshrc
    fish   campaign completion fish > ~/.config/fish/completions/campaign.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None, shell  # click brings these three
    click.echo(kind(campaign, {}, "campaign", COMPLETION_VARIABLE).source())
