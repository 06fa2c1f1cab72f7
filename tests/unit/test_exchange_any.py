"""Whatever a server answers, however the bytes are split and wherever the line breaks: every mail ends in one place, and that place is true."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.deliver.exchange import Done, Exchange, Garbled, Ready, Refused
from publisher.deliver.message import Mail

CLOSES = b"closes"
# What a server may say to each; the first four are as usual, so that most talks go on for a while.
USUAL = {b"MAIL": b"250 ok\r\n", b"RCPT": b"250-a\r\n250 ok\r\n", b"DATA": b"354 go on\r\n", b"RSET": b"250 ok\r\n", b".": b"250 2.0.0 queued\r\n"}
OTHERWISE = [b"450 later\r\n", b"550 5.1.1 no\r\n", b"553 what?\r\n", b"552 5.3.4 full\r\n", b"421 closing\r\n", b"299 ok\r\n", b"354 go on\r\n", b"junk\r\n", CLOSES]
# Between answers, or before the end of a body.
UNASKED = {3: b"421 shutting down\r\n", 5: b"552 too large\r\n"}


@dataclass
class Server:
    """Speaks SMTP as a script has it: one number of it decides one answer. What it takes it answers with 2yz, or closes without a word."""

    script: Sequence[int]
    answers: bytearray = field(default_factory=bytearray)
    took: Counter[bytes] = field(default_factory=Counter)
    is_closed: bool = False
    _heard: bytes = b""
    _in_body: bool = False
    _has_recipient: bool = False
    _has_sender: bool = False
    _said: int = 0

    def hear(self, data: bytes) -> None:
        """Bytes from the client."""
        self._heard += data
        while not self.is_closed and (self._body() if self._in_body else self._command()):
            pass

    def _draw(self) -> int:
        self._said += 1
        return self.script[self._said % len(self.script)]

    def _answer(self, verb: bytes, *, refuses: bytes | None = None) -> bytes:
        choice = self._draw()
        answer = OTHERWISE[choice - 6] if 6 <= choice < 6 + len(OTHERWISE) else refuses or USUAL[verb]
        if refuses is not None and answer[:1] == b"2":
            answer = refuses
        if answer == CLOSES:
            self.is_closed = True
            return b""
        self.answers += answer
        self.is_closed = answer.startswith(b"421")
        return answer

    def _command(self) -> bool:
        line, end, rest = self._heard.partition(b"\r\n")
        if not end:
            return False
        self._heard, verb = rest, line[:4].upper()
        if verb == b"RSET":
            self._has_sender = self._has_recipient = False
            self._answer(verb)
        elif verb == b"MAIL":
            self._has_sender = self._answer(verb, refuses=b"503 nested\r\n" if self._has_sender else None).startswith(b"2") or self._has_sender
        elif verb == b"RCPT":
            answer = self._answer(verb, refuses=None if self._has_sender else b"503 need MAIL\r\n")
            self._has_recipient = self._has_recipient or answer.startswith(b"2")
        else:
            assert verb == b"DATA", f"a body was sent as commands: {line!r}"
            answer = self._answer(verb, refuses=None if self._has_recipient else b"554 nobody\r\n")
            self._in_body = answer.startswith(b"354")
        return True

    def _body(self) -> bool:
        whole = b"\r\n" + self._heard
        body, end, rest = whole.partition(b"\r\n.\r\n")
        if not end:
            early = UNASKED.get(self._draw()) if len(self._heard) > 3 else None
            if early is not None:
                self.answers += early
                self.is_closed = True
            return False
        self._heard, self._in_body = rest, False
        answer = self._answer(b".", refuses=None if self._has_recipient else b"554 nobody\r\n")
        if self._has_recipient and (answer.startswith(b"2") or (not answer and self._said % 2)):
            self.took[body.removeprefix(b"\r\n").replace(b"\r\n..", b"\r\n.") + b"\r\n"] += 1
        self._has_sender = self._has_recipient = False
        return True


@dataclass(eq=False)
class Letter:
    """A mail on its way."""

    mail: Mail
    again: bool = False


class Talk:
    """A client and a server with a line between them that holds bytes back, and what became of each mail."""

    def __init__(self, script: Sequence[int], *, pipelining: bool) -> None:
        self.exchange, self.server = Exchange[Letter](pipelining=pipelining), Server(script)
        self.offered: list[Letter] = []
        self.ends: list[tuple[Letter, str]] = []
        self.unsent, self.travelling = b"", b""
        self.is_over = False

    def offer(self) -> None:
        """Another mail, where there is room for it."""
        if self.exchange.is_free and not self.is_over:
            number = len(self.offered)
            name = f'"r..{number}"@docomo.ne.jp' if number % 3 == 1 else f"r{number}@example.jp"
            self.offered.append(Letter(Mail("n@paper.example", name, f"mail {number}\r\n.with dots\r\n..\r\nend\r\n".encode())))
            self.exchange.offer(self.offered[-1])

    def send(self, most: int) -> None:
        """Some bytes leave our hands."""
        if not self.is_over:
            self.unsent += b"".join(self.exchange.take())
            self.travelling, self.unsent = self.travelling + self.unsent[:most], self.unsent[most:]

    def arrive(self, most: int) -> None:
        """Some bytes reach the server."""
        data, self.travelling = self.travelling[:most], self.travelling[most:]
        if not self.server.is_closed:
            self.server.hear(data)

    def hear(self, most: int) -> None:
        """Some bytes of its answers reach us; after the last one of a server that closed comes the end."""
        if self.is_over:
            return
        data = bytes(self.server.answers[:most])
        del self.server.answers[:most]
        if not data:
            if self.server.is_closed:
                self.breaks()
            return
        for event in self.exchange.receive(data, unsent=len(self.unsent)):
            assert not self.is_over
            if isinstance(event, Done):
                self.ends.append((event.item, event.verdict.state))
                if event.verdict.closing:
                    self.breaks()
                    return
            elif isinstance(event, Ready):
                assert self.exchange.open_item is None, "two bodies without an answer"
                self.exchange.go()
            else:
                assert isinstance(event, Refused | Garbled)
                if isinstance(event, Refused) and event.item is not None:
                    self.ends.append((event.item, "untouched"))
                self.breaks()

    def breaks(self) -> None:
        """The line is gone, here: what had left may still arrive."""
        self.is_over = True
        done, untouched = self.exchange.broken("gone", unsent=len(self.unsent))
        if done is not None:
            self.ends.append((done.item, done.verdict.state))
        self.ends += [(one, "untouched") for one in untouched]


def any_talk(seed: int, oddness: float, pieces: Sequence[int], *, pipelining: bool) -> Talk:
    """A talk of a hundred turns or so, in which a server says something odd so often, and bytes travel in such pieces."""
    chance = random.Random(seed)
    script = [chance.randrange(3, 6 + len(OTHERWISE)) if chance.random() < oddness else 0 for _one in range(97)]
    talk = Talk(script, pipelining=pipelining)
    actions = (talk.send, talk.send, talk.arrive, talk.arrive, talk.hear, talk.hear)
    for _turn in range(chance.randrange(5, 400)):
        if chance.random() < 0.3:
            talk.offer()
        chance.choice(actions)(chance.choice(pieces))
    return talk


@settings(max_examples=500, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([0.0, 0.02, 0.06, 0.2]), st.sampled_from([(1, 3, 9), (5, 40, 90), (40, 10_000), (10_000,)]),
       st.booleans(), st.booleans())
def test_every_mail_ends_in_one_place_and_that_place_is_true(seed: int, oddness: float, pieces: Sequence[int], pipelining: bool, all_arrives: bool) -> None:
    """Accepted was taken once; refused, deferred and untouched were not taken; only "unknown" may be either."""
    talk = any_talk(seed, oddness, pieces, pipelining=pipelining)
    if not talk.is_over:
        talk.breaks()
    if all_arrives:
        talk.arrive(len(talk.travelling))
    assert Counter(id(letter) for letter, _state in talk.ends) == Counter(map(id, talk.offered))
    for letter, state in talk.ends:
        assert talk.server.took[letter.mail.data] in ((1,) if state == "accepted" else (0, 1) if state == "unknown" else (0,)), state
    assert set(talk.server.took) <= {letter.mail.data for letter in talk.offered}, "what was taken is no mail of ours"
    assert sum(state == "unknown" for _letter, state in talk.ends) <= 1


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([1, 2, 5, 50, 10_000]), min_size=1, max_size=8), st.booleans())
def test_a_server_that_takes_everything_has_everything_once(amounts: list[int], pipelining: bool) -> None:
    """However small the pieces."""
    talk = Talk([0], pipelining=pipelining)
    for turn in range(20_000):
        if len(talk.offered) < 7:
            talk.offer()
        amount = amounts[turn % len(amounts)]
        talk.send(amount)
        talk.arrive(amount)
        talk.hear(amount)
        if len(talk.ends) == 7:
            break
    assert [state for _letter, state in talk.ends] == ["accepted"] * 7
    assert sorted(talk.server.took.values()) == [1] * 7


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.integers(1, 50), st.booleans())
def test_no_bytes_at_all_break_the_talk_itself(noise: bytes, size: int, pipelining: bool) -> None:
    """Whatever comes, the mail ends in one place."""
    exchange, letter = Exchange[Letter](pipelining=pipelining), Letter(Mail("n@paper.example", "r@example.jp", b"x\r\n"))
    exchange.offer(letter)
    ends = []
    for start in range(0, len(noise), size):
        events = exchange.receive(noise[start:start + size])
        ends += [event.item for event in events if isinstance(event, Done) or (isinstance(event, Refused) and event.item is not None)]
        if events:
            break
        exchange.take()
    done, untouched = exchange.broken("gone", unsent=0)
    assert [*ends, *untouched, *([done.item] if done else [])] == [letter]
