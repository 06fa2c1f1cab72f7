"""The tools that a newsroom may come from, by the name of the command."""

from collections.abc import Mapping
from dataclasses import dataclass

from publisher.moving import buttondown, ghost, listmonk, substack
from publisher.moving.found import Reader


@dataclass(frozen=True, slots=True)
class Tool:
    """How a tool is called, and what reads its export."""

    called: str
    read: Reader


TOOLS: Mapping[str, Tool] = {
    "buttondown": Tool("Buttondown", buttondown.read), "listmonk": Tool("listmonk", listmonk.read), "ghost": Tool("Ghost", ghost.read),
    "substack": Tool("Substack", substack.read)}
