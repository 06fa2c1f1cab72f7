"""The result of a rehearsal, for people and for machines."""

from typing import Any

from publisher.i18n import _
from publisher.rehearsal.course import Course
from publisher.rehearsal.judgement import PROMISES, Judgement
from publisher.rehearsal.plan import Plan
from publisher.rehearsal.stage import Stage


def figures(stage: Stage, plan: Plan, course: Course, judged: Judgement) -> list[tuple[str, str]]:
    """What happened, a line each."""
    states = judged.states
    allowed = stage.bound * (course.kills.total() + course.cuts.total())
    lines = [
        (_("readers"), f"{stage.rows:,}" + (" " + _("(%(n)s of them invented)", n=f"{stage.people.invented:,}") if stage.people.invented else "")),
        (_("issue"), _("a copy of issue %(id)s", id=stage.issue_id) if stage.copied else _("made of the sample stories")),
        (_("kills (SIGKILL)"), f"{course.kills.total():,}" + ("" if course.kills.total() == plan.kills else " " + _("of %(n)s", n=plan.kills))),
        (_("database cut off"), f"{course.cuts.total():,}"),
        (_("accepted"), f"{states['accepted']:,}"),
        (_("refused by the relay"), f"{states['refused']:,}"),
        (_("left or suppressed meanwhile"), f"{states['skipped']:,}"),
        (_("repeated by kills and cuts"), _("%(n)s, and %(most)s are allowed", n=f"{judged.by_kills:,}", most=f"{allowed:,}")),
        (_("repeated because the answer was lost"),
         _("%(n)s of %(of)s lost answers", n=f"{judged.by_lost_answers:,}", of=f"{judged.lost_answers:,}")),
        (_("lost"), f"{judged.lost:,}"),
        (_("unknown, settled"), f"{judged.unknown_settled:,}"),
    ]
    if judged.unknown_left:
        lines.append((_("unknown, left to a person"), f"{judged.unknown_left:,}"))
    if course.memory:
        lines.append((_("memory of the sender at most"), f"{course.memory:,.0f} MB"))
    lines.append((_("seconds"), f"{course.seconds:,.0f}"))
    return lines


def promises(judged: Judgement) -> list[tuple[str, str, str]]:
    """Each promise with its mark, and what broke it."""
    words = {1: _("Nothing told twice"), 2: _("Nobody skipped"), 3: _("At most one repeat per open connection and crash, by the same Message-ID"),
             4: _("Nobody mailed who did not ask"), 10: _("Memory does not grow with the list"), 11: _("An address lives in one table")}
    return [("✗" if number in judged.broken else "✓", str(number), "\n".join([words[number], *judged.broken.get(number, ())])) for number in PROMISES]


def as_json(stage: Stage, plan: Plan, course: Course, judged: Judgement) -> dict[str, Any]:
    """The same for machines."""
    return {
        "seed": plan.seed, "readers": stage.rows, "invented": stage.people.invented, "issue": stage.issue_id if stage.copied else None,
        "kills": course.kills.total(), "cuts": course.cuts.total(), "processes": course.processes, "connections": stage.connections,
        "accepted": judged.states["accepted"], "refused": judged.states["refused"], "skipped": judged.states["skipped"],
        "repeated_by_kills": judged.by_kills, "repeats_allowed": stage.bound * (course.kills.total() + course.cuts.total()),
        "repeated_by_lost_answers": judged.by_lost_answers, "lost_answers": judged.lost_answers, "lost": judged.lost,
        "unknown_settled": judged.unknown_settled, "unknown_left": judged.unknown_left, "seconds": round(course.seconds, 1),
        "peak_rss_mb": round(course.memory, 1), "kept": judged.kept,
        "promises": {str(number): judged.broken.get(number, []) for number in PROMISES}}
