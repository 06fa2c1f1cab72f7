"""A slip in a well-known domain is asked about, never corrected; an address of an office is known as one."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscribers.addresses import NotAnAddress, parse_address
from subscribers.hints import RefusedDomains, is_role, refused_domains, suggestion


@pytest.mark.parametrize(("typed", "meant"), [
    ("Taro.Yamada@gmial.com", "Taro.Yamada@gmail.com"), ("t@gmail.con", "t@gmail.com"), ("t@gmail.co", "t@gmail.com"), ("t@gmai.com", "t@gmail.com"),
    ("t@gmaill.com", "t@gmail.com"), ("t@yaho.co.jp", "t@yahoo.co.jp"), ("t@yahoo.co.jo", "t@yahoo.co.jp"), ("t@yahoo.co.jpp", "t@yahoo.co.jp"),
    ("ab@docmo.ne.jp", "ab@docomo.ne.jp"), ("t@dokomo.ne.jp", "t@docomo.ne.jp"),
    ("t@iclod.com", "t@icloud.com"), ("t@ezwed.ne.jp", "t@ezweb.ne.jp"), ("t@sofbank.ne.jp", "t@softbank.ne.jp"), ("t@outlok.jp", "t@outlook.jp"),
    ("t@hotmial.com", "t@hotmail.com"), ("t@gmail.co.jp", "t@gmail.com"), ("t@yahoo.ne.jp", "t@yahoo.co.jp"), ("t@docomo.co.jp", "t@docomo.ne.jp"),
    ("t@GMIAL.COM", "t@gmail.com")])
def test_a_slip_is_asked_about(typed: str, meant: str) -> None:
    assert suggestion(parse_address(typed)) == meant


@pytest.mark.parametrize("domain", [
    "gmail.com", "yahoo.co.jp", "ymail.com", "mail.com", "email.com", "gmx.com", "gmx.net", "me.com", "mac.com", "au.com", "cloud.com", "outlook.fr",
    "hotmail.de", "yahoo.co.in", "softbank.co.jp", "i.softbank.jp", "vodafone.ne.jp", "example.jp", "ocn.ne.jp", "odn.ne.jp", "asahi.com", "nikkei.co.jp",
    "u-tokyo.ac.jp", "日本語.jp", "news.example.jp"])
def test_what_exists_is_not_questioned(domain: str) -> None:
    assert suggestion(parse_address(f"taro@{domain}")) is None


@given(st.text(alphabet="abcdefgimoruy.-", min_size=1, max_size=14))
def test_whatever_is_suggested_is_an_address_and_needs_no_suggestion(domain: str) -> None:
    try:
        address = parse_address(f"taro@{domain}.com")
    except NotAnAddress:
        return
    better = suggestion(address)
    if better is not None:
        assert better != address.typed
        assert suggestion(parse_address(better)) is None


@pytest.mark.parametrize("typed", ["info@example.jp", "Postmaster@example.jp", "no-reply@example.jp", "sales+japan@example.jp", "kouhou@example.jp"])
def test_an_office_is_known_as_one(typed: str) -> None:
    assert is_role(parse_address(typed))


@pytest.mark.parametrize("typed", ["hanako@example.jp", "information.taro@example.jp", "infoo@example.jp", "support.hanako@example.jp"])
def test_a_person_is_none(typed: str) -> None:
    assert not is_role(parse_address(typed))


def test_refused_domains_hold_for_what_is_below_them(tmp_path: Path) -> None:
    path = tmp_path / "refused.txt"
    path.write_text("﻿# short-lived mailboxes\n\n  Throwaway.Example # and its siblings\n@wegwerf.example\n.leading.example\nnot a domain at all\n", "utf-8")
    refused = RefusedDomains(path)
    refuses = {typed: refused.refuses(parse_address(typed)) for typed in (
        "a@throwaway.example", "a@mx.throwaway.example", "a@wegwerf.example", "a@leading.example", "a@away.example", "a@example.jp")}
    assert refuses == {"a@throwaway.example": True, "a@mx.throwaway.example": True, "a@wegwerf.example": True, "a@leading.example": True,
                       "a@away.example": False, "a@example.jp": False}


def test_the_list_is_read_again_when_it_changed_and_refuses_nobody_while_it_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "refused.txt"
    address = parse_address("a@one.example")
    assert refused_domains(None) is None
    assert refused_domains(path) is None
    path.write_text("one.example\n", "utf-8")
    first = refused_domains(path)
    assert first is not None
    assert first.refuses(address)
    path.write_text("another.example\n", "utf-8")
    second = refused_domains(path)
    assert second is not None
    assert not second.refuses(address)
    path.write_bytes(b"\xff\xfe\xff")
    assert refused_domains(path) is None
