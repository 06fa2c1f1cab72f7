"""Whatever happens in whatever order, nobody is mailed who did not say so last.

A model keeps, beside the program, when each person last gave consent for each list and when it last ended. It knows nothing of the program's tables.
"""

import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp

from hypothesis import HealthCheck, settings, stateful
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, precondition, rule
from sqlalchemy import event, select, text

from publisher.db import Database
from publisher.links import confirm_token, leave_token
from publisher.tokens import Keys
from subscribers.addresses import parse_address
from subscribers.consent import Evidence
from subscribers.models import Subscriber
from subscribers.registry.arrivals import file_arrivals
from subscribers.registry.confirming import confirm
from subscribers.registry.enrolment import Agreement, Person, enrol
from subscribers.registry.erasure import erase
from subscribers.registry.joining import Asked
from subscribers.registry.readers import add, leave, leave_all, remove
from subscribers.registry.retention import sweep
from subscribers.registry.staging import Arrival
from subscribers.registry.suppressions import lift, suppress, suppress_reader
from subscribers.registry.undoing import undo, undo_token
from tests.asking import BUTTON, Door
from tests.readers import KEYS, NOW

PEOPLE = ("hanako@example.jp", "taro@example.jp")
LISTS = ("daily", "weekly", "open")
_OFTEN = ("daily", "daily", "daily", "open", "weekly")
# Most of it happens to one of them: stories grow long that way.
_people = st.sampled_from(PEOPLE[:1] * 4 + PEOPLE[1:])
_list, _lists = st.sampled_from(_OFTEN), st.lists(st.sampled_from(_OFTEN), min_size=1, max_size=2, unique=True)
_spelled = st.sampled_from([str, str.upper, str.title])


# As `deliver` chooses the readers of an issue.
_MAILABLE = text("SELECT subscribers.address_key, lists.name FROM subscriptions JOIN subscribers ON subscribers.id = subscriptions.subscriber_id "
                 "JOIN lists ON lists.id = subscriptions.list_id WHERE subscriptions.state = 'subscribed' "
                 "AND NOT EXISTS (SELECT 1 FROM suppressions WHERE suppressions.address_hash = subscribers.address_hash)")


@dataclass
class Word:
    """What one person last said of one list, or what was said for them."""

    given: datetime | None = None
    ended: datetime | None = None
    undoable: datetime | None = None  # when they left of themselves, if they were on the list then
    vague: bool = False  # suppressed while nothing or a mere question stood here: whoever spoke for themselves since may be imported, and may not

    @property
    def holds(self) -> bool:
        """Whether consent was given after it last ended."""
        return self.given is not None and (self.ended is None or self.given > self.ended)


@dataclass
class Human:
    """One address as the model knows it."""

    words: dict[str, Word] = field(default_factory=lambda: {name: Word() for name in LISTS})
    suppressed: bool = False
    lifted: datetime | None = None  # since when only their own word counts
    forgotten: datetime | None = None
    spoilt: datetime = NOW  # no question from before this can be answered any more

    def end(self, now: datetime, *lists: str) -> None:
        """Consent ends for these lists, or for all."""
        for name in lists or LISTS:
            self.words[name].ended, self.words[name].undoable = now, None

    def give(self, now: datetime, name: str) -> None:
        """Consent is given."""
        self.words[name].given, self.words[name].undoable, self.words[name].vague = now, None, False


@dataclass(frozen=True)
class Mailed:
    """A mail with a token, in somebody's mailbox."""

    address: str
    lists: tuple[str, ...]
    asked: Asked
    at: datetime


@dataclass(frozen=True)
class Page:
    """The page that says "you have left", with its undo button."""

    address: str
    name: str
    token: str
    at: datetime


class ConsentMachine(RuleBasedStateMachine):
    """Two people, three lists, and everybody who may do something with them."""

    mails: Bundle[Mailed] = Bundle("mails")
    used: Bundle[Mailed] = Bundle("used")
    pages: Bundle[Page] = Bundle("pages")
    template: Path

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(prefix="consent-"))
        shutil.copy(self.template, self.folder / "publisher.db")
        self.database = Database(f"sqlite:///{self.folder / 'publisher.db'}")
        # No plug is pulled here, and an act costs half.
        event.listen(self.database.engine, "connect", lambda connection, _record: connection.execute("PRAGMA synchronous=OFF"))

    @initialize()
    def open_the_door(self) -> None:
        self.door = Door(self.database, now=NOW)
        self.numbers = {name: self.door.list_ids(name)[0] for name in LISTS}
        self.humans = {address: Human() for address in PEOPLE}
        self.ids = dict.fromkeys(PEOPLE, 0)
        self.open_page: Page | None = None
        self.acts_since = 0  # since the last great event: stories would be short without a while between them

    def teardown(self) -> None:
        self.database.close()
        shutil.rmtree(self.folder)

    def _tick(self, **span: float) -> datetime:
        """Every act has its own second."""
        self.acts_since += 1
        self.door.wait(seconds=1)
        self.door.wait(**span)
        return self.door.now

    @rule(span=st.sampled_from([timedelta(minutes=20), timedelta(hours=2), timedelta(hours=25), timedelta(days=4)]))
    def time_passes(self, span: timedelta) -> None:
        self._tick(seconds=span.total_seconds())

    @rule(target=mails, address=_people, lists=_lists, spelled=_spelled, door=st.sampled_from(["web", "mail"]), days=st.sampled_from([11, 2, 0]))
    def ask(self, address: str, lists: list[str], spelled: object, door: str, days: int) -> object:
        """A stranger or the person: nobody can tell. Only a list of single opt-in is joined by it, by somebody nothing ever ended for."""
        now, human = self._tick(days=days), self.humans[address]
        asked = self.door.ask(spelled(address), *lists, door=door)  # type: ignore[operator]
        assert (asked.outcome == "suppressed") == human.suppressed
        if asked.outcome != "mailed":
            return multiple()
        open_lists = [name for name in lists if not human.words[name].holds]
        if open_lists and all(name == "open" and human.words[name].ended is None for name in open_lists) and human.lifted is None:
            for name in open_lists:
                if not human.words[name].vague or self.door.mailable(address, name):
                    human.give(now, name)
        return Mailed(address, tuple(lists), asked, now)

    def _press(self, mail: Mailed) -> str | None:
        pending = confirm(self.database, KEYS, self.door.settings, self.door.token(mail.asked), self.door.now, "web")
        return pending.status if pending else None

    @rule(target=used, mail=consumes(mails))
    def confirm_once(self, mail: Mailed) -> object:
        """The right token, perhaps too late or after something else was said. What is in order must join."""
        now, human = self._tick(), self.humans[mail.address]
        erased = human.forgotten is not None and human.forgotten >= mail.at
        in_time = now < mail.at + self.door.settings.signup.confirm_within
        joining = [name for name in mail.lists if not human.words[name].holds and not max(human.words[name].ended or NOW, human.spoilt) >= mail.at]
        there = all(human.words[name].holds for name in mail.lists)
        status = self._press(mail)
        if joining and in_time and not erased and not human.suppressed and not there:
            assert status == "joined"
            for name in joining:
                human.give(now, name)
            human.lifted = None
        else:
            assert status != "joined"
        return mail

    @rule(target=used, address=_people, lists=_lists)
    def ask_and_confirm(self, address: str, lists: list[str]) -> object:
        """As most people do."""
        mail = self.ask(address, lists, str, "web", 11)
        return self.confirm_once(mail) if isinstance(mail, Mailed) else multiple()

    @rule(mail=used)
    def press_again(self, mail: Mailed) -> None:
        self._tick()
        assert self._press(mail) != "joined"

    @rule(mail=mails, address=_people)
    def wrong_tokens(self, mail: Mailed, address: str) -> None:
        """Another purpose, another key, another person's number, another request's."""
        now, request, person = self._tick(), mail.asked.request_id or 0, mail.asked.subscriber_id or 0
        foreign = self.ids[address] if self.ids[address] != person else person + 1
        for token in (leave_token(KEYS, request, person, 0), confirm_token(Keys(["another"]), request, person), confirm_token(KEYS, request, foreign),
                      confirm_token(KEYS, request + 1000, person), self.door.token(mail.asked)[:-1]):
            assert confirm(self.database, KEYS, self.door.settings, token, now, "mail") is None

    @rule(address=_people, name=_list, spelled=_spelled, back=st.timedeltas(timedelta(0), timedelta(days=400)), many=st.booleans())
    def import_file(self, address: str, name: str, spelled: object, back: timedelta, many: bool) -> None:
        """With proof of consent, of any day: it counts for whom nothing ever ended. By one of the two ways in."""
        now, human, typed = self._tick(), self.humans[address], parse_address(spelled(address))  # type: ignore[operator]
        if many:
            tally = file_arrivals(self.database, KEYS, self.numbers[name], [Arrival(typed, wording="open day", agreed_at=now - back)], now)
            joined = "added" if tally.added else "none"
        else:
            with self.database.writing() as session:
                agreement = Agreement(self.numbers[name], "imported", "open day", now)
                (joined,) = enrol(session, KEYS, [Person(typed, None, now - back)], agreement).values()
        self._enrolled(address, name, now, joined)
        assert self.door.mailable(address, name) == (human.words[name].holds and not human.suppressed)

    @rule(address=_people, name=_list, rejoin=st.booleans())
    def add_by_hand(self, address: str, name: str, rejoin: bool) -> None:
        now, human = self._tick(), self.humans[address]
        joined = add(self.database, KEYS, Person(parse_address(address)), name, "by telephone", now, rejoin=rejoin)
        if not rejoin:
            self._enrolled(address, name, now, joined)
        elif not human.suppressed and not human.words[name].holds:
            # An operator's word for one list; for others it counts where the ledger says that they came back.
            human.lifted = None if joined == "rejoined" else human.lifted
            human.give(now, name)

    def _enrolled(self, address: str, name: str, now: datetime, joined: str) -> None:
        human, word = self.humans[address], self.humans[address].words[name]
        if human.suppressed or word.ended is not None or human.lifted is not None or word.holds:
            assert joined != "added"
            return
        assert joined == "added" or word.vague
        if joined == "added":
            human.give(now, name)

    def _page(self, address: str, name: str) -> Page:
        now = self.door.now
        self.open_page = Page(address, name, undo_token(KEYS, self.numbers[name], self.door.person(address), now), now)
        return self.open_page

    @rule(target=pages, address=_people, name=_list, door=st.sampled_from(["web", "one-click", "mail"]))
    def leave_one(self, address: str, name: str, door: str) -> Page:
        now, word = self._tick(), self.humans[address].words[name]
        was_on = word.holds
        if leave(self.database, self.numbers[name], self.door.person(address), Evidence(door), now):
            self.humans[address].end(now, name)
            word.undoable = now if was_on else None
        else:
            assert not was_on
        return self._page(address, name)

    @rule(target=pages, address=_people, name=_list, by_hand=st.booleans())
    def leave_every(self, address: str, name: str, by_hand: bool) -> Page:
        now, human, number = self._tick(), self.humans[address], self.door.person(address)
        on = [name for name in LISTS if human.words[name].holds]
        if by_hand and number:
            left = remove(self.database, parse_address(address), None, "by hand", now)
        else:
            left = leave_all(self.database, number, BUTTON, now)
        assert set(on) <= set(left)
        for one in left:
            human.end(now, one)
            human.words[one].undoable = now if one in on and not by_hand else None
        return self._page(address, name)

    @rule(page=pages)
    def undo_leaving(self, page: Page) -> None:
        """From the page of the last leaving, or from an older one."""
        now, human = self._tick(), self.humans[page.address]
        in_order = human.words[page.name].undoable == page.at and not human.suppressed and now <= page.at + timedelta(hours=1)
        assert undo(self.database, KEYS, page.token, BUTTON, now) == in_order
        if in_order:
            human.give(now, page.name)

    @precondition(lambda self: self.open_page is not None and self.door.now < self.open_page.at + timedelta(hours=1))
    @rule()
    def undo_at_once(self) -> None:
        """Old pages are many; this one is still open."""
        assert self.open_page is not None
        self.undo_leaving(self.open_page)

    @precondition(lambda self: self.acts_since > 3)
    @rule(address=_people, reason=st.sampled_from(["complaint", "hard-bounce", "asked by telephone"]), by_report=st.booleans())
    def never_mail_again(self, address: str, reason: str, by_report: bool) -> None:
        now, human, number = self._tick(), self.humans[address], self.door.person(address)
        if by_report and number:
            with self.database.writing() as session:
                suppress_reader(session, KEYS, number, reason, Evidence("provider"), now)
        else:
            suppress(self.database, KEYS, parse_address(address), reason, now)
        human.suppressed, human.spoilt, self.acts_since = True, now, 0
        for word in human.words.values() if number else ():
            word.vague = word.ended is None and not word.holds
            if not word.vague:
                word.ended, word.undoable = now, None

    @precondition(lambda self: any(human.suppressed for human in self.humans.values()))
    @rule(address=_people)
    def lift(self, address: str) -> None:
        """An operator lets the address be mailed again: by that nobody is."""
        now, human = self._tick(), self.humans[address]
        if lift(self.database, KEYS, parse_address(address), "wrote", now):
            assert human.suppressed
            human.suppressed, human.spoilt = False, now
            human.lifted = now if self.door.person(address) else None
        assert not human.suppressed

    @precondition(lambda self: self.acts_since > 1)
    @rule(address=_people)
    def suppress_by_mistake(self, address: str) -> None:
        """And lift it at once."""
        self.never_mail_again(address, "complaint", False)
        self.lift(address)

    @precondition(lambda self: self.acts_since > 9)
    @rule(address=_people)
    def erase(self, address: str) -> None:
        """Everything is forgotten but that the address is never mailed; once that is lifted as well, it is a stranger's."""
        now, number = self._tick(), self.door.person(address)
        self.acts_since = 0
        assert erase(self.database, KEYS, parse_address(address), now) == bool(number)
        if number:
            self.humans[address] = Human(suppressed=True, forgotten=now)

    @rule(days=st.sampled_from([0, 20, 35]))
    def retention(self, days: int) -> None:
        """Who is forgotten by it was on no list, and nothing had ended."""
        now = self._tick(days=days)
        sweep(self.database, self.door.settings, now)

    @invariant()
    def nobody_is_mailed_who_did_not_say_so_last(self) -> None:
        if not hasattr(self, "humans"):
            return
        with self.database.reading() as session:
            mailable = {(key, name) for key, name in session.execute(_MAILABLE)}
            self.ids |= {key: number for key, number in session.execute(select(Subscriber.address_key, Subscriber.id))}
        assert mailable == {(address, name) for address, human in self.humans.items() for name in LISTS
                            if human.words[name].holds and not human.suppressed}


def test_no_sequence_makes_an_address_mailable_that_did_not_say_so_last(sqlite_template: Path) -> None:
    """Nor does any keep a reader from being mailed who did: the model says both."""
    machine = type("Machine", (ConsentMachine,), {"template": sqlite_template})
    stateful.run_state_machine_as_test(machine, settings=settings(max_examples=25, stateful_step_count=25, deadline=None,
                                                         suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]))
