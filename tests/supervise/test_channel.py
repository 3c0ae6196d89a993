"""JSON lines over a socket pair: what happens when the other end goes away at a bad moment."""

from __future__ import annotations

import socket

from msgspec import Struct

from campaign.supervise.channel import Channel
from campaign.supervise.loop import Loop


class Word(Struct):
    text: str


def test_who_speaks_to_a_dead_end_hears_of_it_from_the_loop_after_its_last_words() -> None:
    loop, lines, closed = Loop(), list[bytes](), list[bool]()
    ours, theirs = socket.socketpair()
    channel = Channel(loop, ours, lines.append, lambda: closed.append(True))
    theirs.sendall(b'{"text":"farewell"}\n')
    theirs.close()
    channel.send(Word("anyone?"))
    channel.send(Word("still?"))
    assert not closed, "told from within send"
    while not closed:
        loop.run_once()
    assert lines == [b'{"text":"farewell"}']
    assert closed == [True]


def test_what_waits_to_be_sent_is_dropped_with_the_end_that_it_was_for() -> None:
    loop, closed = Loop(), list[bool]()
    ours, theirs = socket.socketpair()
    channel = Channel(loop, ours, lambda _line: None, lambda: closed.append(True))
    while not channel.pending:
        channel.send(Word("x" * 10_000))
    theirs.close()
    while not closed:
        loop.run_once()
    assert channel.pending == 0
