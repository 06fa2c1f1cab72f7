"""Who gets an issue, and in which preference group each reader is: the same words for gathering, composing and starting.

A regular issue is for readers who are mailed each issue, a digest for those who take its rhythm. Whoever changes their rhythm gets what they had
missed until then in the next digest that gathers it. What a reader has had is asked of the rows of their mails: so nothing is told twice, whatever
readers change and when.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, exists, literal, or_, select
from sqlalchemy.orm import Session, aliased

from publisher.errors import PublisherError
from publisher.i18n import _
from publisher.models import Delivery, Edition, EditionGroup, Issue, NewsletterRow, Pick
from publisher.settings import Newsletter, Settings
from subscribers.models import ReaderListRow, Subscription

# The edition that is for all readers, and the page of the issue.
EVERYBODY = "all"
EACH = "each"
_LEFT = ("accepted", "unknown", "sending")
# How far the first digest of a newsletter looks back, and how far any: what is older stays on the web.
_LOOKS_BACK = {"daily": (timedelta(days=1), timedelta(days=7)), "weekly": (timedelta(days=7), timedelta(days=31))}
# A bit for each issue of a digest must fit into an integer of PostgreSQL; of more issues the oldest share one.
_BITS = 30


@dataclass(frozen=True, slots=True)
class Gathered:
    """What a digest gathers: the ids of its issues and when each was started, the oldest first; and the place of the issue of each story, from 1."""

    issues: tuple[int, ...]
    starts: tuple[datetime, ...]
    place_of: dict[int, int]

    def bit(self, place: int) -> int:
        """The bit of an issue in the number that says what a reader has had."""
        return max(0, place - 1 - self._spare)

    @property
    def everything(self) -> int:
        """The number of a reader who has had all of it."""
        return int(2 ** (len(self.starts) - self._spare) - 1) if self.starts else 0

    @property
    def _spare(self) -> int:
        return max(0, len(self.starts) - _BITS)


@dataclass(frozen=True, slots=True)
class Audience:
    """The readers of one issue as SQL over `Subscription`: which rows, and what of a digest each is not to get again (EditionGroup.had)."""

    condition: ColumnElement[bool]
    had: ColumnElement[int]
    gathered: Gathered | None = None


def newsletter_of(session: Session, settings: Settings, issue: Issue) -> Newsletter:
    """The newsletter of an issue. Raises PublisherError when publisher.toml no longer names it."""
    name = session.get_one(NewsletterRow, issue.newsletter_id).name
    newsletter = settings.newsletter(name)
    if newsletter is None:
        raise PublisherError(_("the newsletter %(name)s is not in publisher.toml", name=name), remedy=_("add it, or cancel the issue"))
    return newsletter


def list_id_of(session: Session, newsletter: Newsletter) -> int:
    """The id of the list whose readers get the newsletter; 0, which is nobody's, where start-up has not written it yet."""
    return session.scalar(select(ReaderListRow.id).where(ReaderListRow.name == newsletter.list)) or 0


def audience_of(session: Session, newsletter: Newsletter, issue: Issue) -> Audience:
    """The subscribed readers of an issue. Suppressed ones are among them: whoever sends leaves them out."""
    if issue.rhythm == EACH:
        return Audience(and_(_subscribed(session, newsletter), _takes_each(newsletter)), literal(0))
    return digest_audience(session, newsletter, issue.newsletter_id, issue.rhythm, gathered_by(session, issue), itself=issue.id)


def _subscribed(session: Session, newsletter: Newsletter) -> ColumnElement[bool]:
    return and_(Subscription.list_id == list_id_of(session, newsletter), Subscription.state == "subscribed")


def _takes_each(newsletter: Newsletter) -> ColumnElement[bool]:
    """Each issue is also for readers whose digest the newsletter does not make (any more)."""
    digests = [rhythm for rhythm in newsletter.rhythms if rhythm != EACH]
    if set(digests) == {"daily", "weekly"}:
        return Subscription.rhythm == EACH
    return Subscription.rhythm.not_in(digests) if digests else literal(1) == 1


def digest_audience(session: Session, newsletter: Newsletter, newsletter_id: int, rhythm: str, gathered: Gathered, *,
                    itself: int | None = None) -> Audience:
    """The readers of a digest that gathers these issues: those who take it, and those who changed their rhythm since its first issue and have
    missed one before that."""
    subscribed, takes = _subscribed(session, newsletter), Subscription.rhythm == rhythm
    if not gathered.starts:
        return Audience(and_(subscribed, takes), literal(0), gathered)
    first = gathered.starts[0]
    had = _had(session, newsletter_id, gathered, takes, itself)
    changed = and_(Subscription.rhythm_since >= first, _did_not_just_join())
    # Who took it all the time has had none of it by another way: most readers cost no look at the mails they had.
    lately = or_(Subscription.rhythm_since >= first, Subscription.confirmed_at >= first)
    return Audience(and_(subscribed, or_(takes, and_(changed, had < gathered.everything))), case((lately, had), else_=0), gathered)


def _did_not_just_join() -> ColumnElement[bool]:
    """Joining sets the moment of the rhythm as well."""
    return or_(Subscription.confirmed_at.is_(None), Subscription.confirmed_at < Subscription.rhythm_since)


def _had(session: Session, newsletter_id: int, gathered: Gathered, takes: ColumnElement[bool], itself: int | None) -> ColumnElement[int]:
    """What is not for a reader (again), a bit for each issue: it was told before they joined, or they had it by itself or in another digest; and to
    those who do not take this digest, what came since they changed their rhythm."""
    shares: dict[int, list[int]] = {}
    for place in range(1, len(gathered.starts) + 1):
        shares.setdefault(gathered.bit(place), []).append(place - 1)
    ways = _ways(session, newsletter_id, gathered, itself)
    total: ColumnElement[int] = literal(0)
    for bit, indices in shares.items():
        issues = [gathered.issues[index] for index in indices]
        digests = {way for issue_id in issues for way in ways.get(issue_id, ())}
        not_again = or_(Subscription.confirmed_at >= gathered.starts[indices[-1]],
                        and_(~takes, Subscription.rhythm_since <= gathered.starts[indices[0]]),
                        _mailed(issues), *(_mailed([digest], editions) for digest, editions in sorted(digests)))
        total = total + case((not_again, 2 ** bit), else_=0)
    return total


def _mailed(issues: Sequence[int], editions: Sequence[int] | None = None) -> ColumnElement[bool]:
    """Whether the reader was mailed one of the issues (in one of the editions)."""
    # An alias of its own: inside an insert into `deliveries` the plain name would be taken for that table.
    row = aliased(Delivery)
    mail = exists().where(row.issue_id.in_(issues), row.subscriber_id == Subscription.subscriber_id, row.state != "skipped")
    return mail if editions is None else mail.where(row.edition_id.in_(editions))


def _ways(session: Session, newsletter_id: int, gathered: Gathered, itself: int | None) -> dict[int, list[tuple[int, tuple[int, ...]]]]:
    """By which other digests the issues went out as well: for each issue the digest, and those of its editions in which it stands."""
    ways: dict[int, list[tuple[int, tuple[int, ...]]]] = {}
    digests = session.scalars(select(Issue).where(Issue.newsletter_id == newsletter_id, Issue.kind == "digest", Issue.id.is_distinct_from(itself),
                                                  Issue.started_at >= gathered.starts[0])).all()
    for digest in digests:
        other = gathered_by(session, digest)
        shared = [(place, issue_id) for place, issue_id in enumerate(other.issues, 1) if issue_id in gathered.issues]
        whole = session.scalars(select(Edition.id).where(Edition.issue_id == digest.id, Edition.audience == EVERYBODY)).all() if shared else []
        groups = session.execute(select(EditionGroup.had, EditionGroup.edition_id).where(
            EditionGroup.issue_id == digest.id)).all() if shared else []
        for place, issue_id in shared:
            inside = [edition_id for had, edition_id in groups if edition_id is not None and not had >> other.bit(place) & 1]
            ways.setdefault(issue_id, []).append((digest.id, tuple(sorted({*whole, *inside}))))
    return ways


def gathered_by(session: Session, digest: Issue) -> Gathered:
    """What a digest gathers, from what never changes: its stories, and when the issues that told them were started."""
    told = session.execute(
        select(Pick.story_id, Issue.id, Issue.started_at).join(Issue, Issue.id == Pick.issue_id)
        .where(Issue.newsletter_id == digest.newsletter_id, Issue.kind == "regular", Issue.started_at <= digest.created_at,
               Pick.story_id.in_(select(Pick.story_id).where(Pick.issue_id == digest.id)))
        .order_by(Issue.started_at, Issue.id)).all()
    # A story that was told again belongs to the later issue.
    return gathered_from({story_id: (started_at or digest.created_at, issue_id) for story_id, issue_id, started_at in told})


def gathered_from(issue_of: dict[int, tuple[datetime, int]]) -> Gathered:
    """The same from each story's issue: when it was started, and its id."""
    order = sorted(set(issue_of.values()))
    place = {issue: number for number, issue in enumerate(order, 1)}
    return Gathered(tuple(issue_id for _start, issue_id in order), tuple(start for start, _issue in order),
                    {story_id: place[issue] for story_id, issue in issue_of.items()})


def last_digest(session: Session, newsletter_id: int, rhythm: str) -> Issue | None:
    """The last digest of a rhythm that left; one cancelled before anything had left was none."""
    left = exists().where(Delivery.issue_id == Issue.id, Delivery.state.in_(_LEFT))
    return session.scalars(select(Issue).where(
        Issue.newsletter_id == newsletter_id, Issue.rhythm == rhythm, Issue.kind == "digest", Issue.started_at.is_not(None),
        or_(Issue.state != "cancelled", left)).order_by(Issue.id.desc()).limit(1)).first()


@dataclass(frozen=True, slots=True)
class Takers:
    """Who waits for the next digest: whether anybody may, the moment from which on it gathers issues, and the digest before it."""

    any: bool
    since: datetime
    last: Issue | None


def takers(session: Session, newsletter: Newsletter, newsletter_id: int, rhythm: str, now: datetime) -> Takers:
    """The readers of the next digest of a rhythm: those who take it, and those who changed their rhythm since the last one."""
    last = last_digest(session, newsletter_id, rhythm)
    first, longest = _LOOKS_BACK[rhythm]
    since = max(last.created_at, now - longest) if last is not None else now - first
    changed = and_(Subscription.rhythm_since > since, _did_not_just_join())
    found = select(Subscription.id).where(_subscribed(session, newsletter), or_(Subscription.rhythm == rhythm, changed)).limit(1)
    return Takers(rhythm in newsletter.rhythms and session.scalar(found) is not None, since, last)
