"""The commands as the command line knows them; what they do is imported once one of them is called."""

from __future__ import annotations

import sys

import click

from sanctum_messaging.terminal.login import find_login
from sanctum_messaging.terminal.options import login_options


@click.command("chat")
@click.argument("conversation", required=False)
@login_options
def chat_command(
    conversation: str | None, *, url: str, token: str | None, user: str | None, data_dir: str | None
) -> None:
    """Talk in the terminal, in a CONVERSATION or in one to be chosen; /help there says how."""
    login = find_login(url, token=token, user=user, data_dir=data_dir)
    from sanctum_messaging.terminal.chat import chat  # noqa: PLC0415 # The other commands do without the client.

    chat(login, conversation)


@click.command("send")
@click.argument("conversation")
@click.argument("text")
@login_options
def send_command(
    conversation: str, text: str, *, url: str, token: str | None, user: str | None, data_dir: str | None
) -> None:
    """Send TEXT to a CONVERSATION, once, and print the message; - reads the text from standard input.

    It waits for the service as long as it takes. Interrupted, the message is kept and goes out with the next one.
    """
    login = find_login(url, token=token, user=user, data_dir=data_dir)
    from sanctum_messaging.terminal.send import send  # noqa: PLC0415 # As in chat.

    send(login, conversation, sys.stdin.read().rstrip("\n") if text == "-" else text)


@click.command("tail")
@click.option("--from", "start", metavar="CURSOR", help="Where to begin; 0-00000000 is the beginning. Else: the end.")
@click.option("--place", metavar="FILE", help="Keep how far it got in this file, and go on there the next time.")
@login_options
def tail_command(
    *, start: str | None, place: str | None, url: str, token: str | None, user: str | None, data_dir: str | None
) -> None:
    """Print what happens, one JSON event in each line, over restarts of the service."""
    login = find_login(url, token=token, user=user, data_dir=data_dir)
    from sanctum_messaging.terminal.tail import tail  # noqa: PLC0415 # As in chat.

    tail(login, start=start, place=place)
