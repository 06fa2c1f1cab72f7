"""What a certificate says to somebody who trusts nobody blindly: whether it holds, why not, and for how long."""

import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from publisher.doctor.finding import Finding, doubtful, right, wrong
from publisher.i18n import N_, _, ngettext

_SOON_DAYS = 14
# X509_V_ERR_* of OpenSSL (verify(1)).
_REASONS = {10: N_("it has expired"), 9: N_("it is not valid yet"), 18: N_("it is signed by itself"),
            19: N_("its chain ends at an authority nobody knows"),
            20: N_("its authority is not known, or the chain in between is missing"),
            21: N_("its authority is not known, or the chain in between is missing"),
            62: N_("it is for another host name"), 64: N_("it is for another address")}


def distrust(error: BaseException) -> ssl.SSLCertVerificationError | None:
    """The failed verification behind an error, when that is what it was."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, ssl.SSLCertVerificationError):
            return seen
        seen = seen.__cause__ or seen.__context__
    return None


def why_distrusted(error: ssl.SSLCertVerificationError) -> str:
    """The reason in words."""
    known = _REASONS.get(error.verify_code)
    return _(known) if known else str(error.verify_message)


def expiry(certificate: Mapping[str, Any] | None) -> datetime | None:
    """Until when a peer's certificate holds."""
    if not certificate or "notAfter" not in certificate:
        return None
    return datetime.fromtimestamp(ssl.cert_time_to_seconds(certificate["notAfter"]), UTC)


def judge_certificate(code: str, host: str, until: datetime, now: datetime) -> Finding:
    """A certificate that was accepted, by the days it has left."""
    days = (until - now).days
    held = ngettext("The certificate of %(host)s is valid for %(n)s more day", "The certificate of %(host)s is valid for %(n)s more days", days,
                    host=host)
    if days >= _SOON_DAYS:
        return right(code, held)
    return doubtful(f"{code}-soon", held, _("renew it; see why it does not renew itself"))


def distrusted(code: str, host: str, error: ssl.SSLCertVerificationError, remedy: str) -> Finding:
    """A certificate that nobody should accept."""
    return wrong(f"{code}-invalid", _("The certificate of %(host)s is not to be trusted: %(reason)s", host=host, reason=why_distrusted(error)),
                 remedy)
