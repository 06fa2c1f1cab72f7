"""Each mail has its relays in an order of its own: by domain, by newsletter, by weight, and always the same."""

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

from publisher.deliver.dispatch.routes import NoRelay, Routes
from publisher.settings_sending import RelayEntry


def relay(name: str, **more: Any) -> RelayEntry:
    return RelayEntry(name=name, url=f"smtp://{name}.example.net", **more)


def firsts(routes: Routes, number: int, domain: str = "example.jp", down: tuple[str, ...] = ()) -> dict[int, str]:
    return {mail: routes.order(mail, domain, down)[0].name for mail in range(number)}


def test_a_relay_that_names_the_domain_goes_before_one_that_names_the_newsletter() -> None:
    routes = Routes([relay("usual"), relay("carrier", domains=("docomo.ne.jp",)), relay("paper", newsletters=("morning",))], "morning")
    assert [entry.name for entry in routes.order(1, "docomo.ne.jp")] == ["carrier"]
    assert [entry.name for entry in routes.order(1, "example.jp")] == ["paper"]
    assert [entry.name for entry in Routes([relay("usual"), relay("paper", newsletters=("morning",))], "evening").order(1, "example.jp")] == ["usual"]


def test_a_relay_that_names_another_newsletter_is_not_for_all() -> None:
    routes = Routes([relay("paper", newsletters=("morning",)), relay("carrier", domains=("docomo.ne.jp",))], "evening")
    with pytest.raises(NoRelay, match="no entry of relays is for the mails of evening to example.jp"):
        routes.order(1, "example.jp")


@effort(max_examples=12, deadline=None)
@given(st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_relays_share_the_mails_by_their_weights(weights: list[int]) -> None:
    """Within a few hundredths of what the weights say, of 3,000 mails."""
    routes = Routes([relay(f"r{number}", weight=weight) for number, weight in enumerate(weights)], "morning")
    found = Counter(firsts(routes, 3000).values())
    for number, weight in enumerate(weights):
        assert abs(found[f"r{number}"] / 3000 - weight / sum(weights)) < 0.05


@given(st.integers(0, 2**62), st.lists(st.integers(1, 9), min_size=1, max_size=5))
def test_the_same_mail_takes_the_same_relay_again(mail: int, weights: list[int]) -> None:
    """In another process, and whatever stands in which order in the file."""
    entries = [relay(f"r{number}", weight=weight) for number, weight in enumerate(weights)]
    assert Routes(entries, "morning").order(mail, "example.jp") == Routes(entries[::-1], "morning").order(mail, "example.jp")


def test_when_one_is_down_no_mail_of_the_others_moves() -> None:
    """Its own mails are shared out among the others, by their weights."""
    routes = Routes([relay("a"), relay("b", weight=3), relay("c")], "morning")
    before, after = firsts(routes, 2000), firsts(routes, 2000, down=("a",))
    assert all(after[mail] == name for mail, name in before.items() if name != "a")
    moved = Counter(after[mail] for mail, name in before.items() if name == "a")
    assert moved["b"] > moved["c"] > 50


def test_weight_nought_carries_only_when_the_others_are_down() -> None:
    routes = Routes([relay("usual"), relay("spare", weight=0)], "morning")
    assert set(firsts(routes, 200).values()) == {"usual"}
    assert set(firsts(routes, 200, down=("usual",)).values()) == {"spare"}
    assert routes.order(1, "example.jp", ("usual", "spare")) == []


def test_every_relay_that_a_newsletter_could_use_is_known() -> None:
    entries = [relay("usual"), relay("carrier", domains=("docomo.ne.jp", "au.com")), relay("paper", newsletters=("evening",))]
    assert [entry.name for entry in Routes(entries, "morning").all()] == ["usual", "carrier"]
    assert Routes(entries, "morning").only() is None
    only = Routes([relay("usual"), relay("paper", newsletters=("evening",))], "morning").only()
    assert only is not None
    assert only.name == "usual"
