"""Whether what is authenticated of a lane's mails stands for their From domain, as DMARC asks (RFC 9989, chapter 4)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from checkup import dmarc
from checkup.findings import Finding, Level, Record
from core.names import Names


@dataclass(frozen=True, slots=True)
class Lane:
    """Lanes that mail alike: as whom, where bounces go, and which domains sign. None sign where the relay does."""

    names: tuple[str, ...]
    author: str
    bounces: str
    signers: tuple[str, ...]

    @property
    def title(self) -> str:
        """Return the lanes in words."""
        return f"the lane {self.names[0]}" if len(self.names) == 1 else f"the lanes {', '.join(self.names)}"


def check_lane(lane: Lane, names: Names) -> Iterator[Finding]:
    """Yield whether SPF and DKIM count for a lane's mails. Without a DMARC record, that is what is missing first; and
    where the DNS is silent, nothing can be said.
    """
    if not lane.signers:
        yield _by_relay(lane)
    applied = dmarc.walk(lane.author, names).applied
    asked = (lane.author, lane.bounces, *lane.signers)
    if applied is None or applied.policy is None or not all(dmarc.walk(one, names).known for one in asked):
        return
    strict = {name: applied.policy.value(name, "r") == "s" for name in ("aspf", "adkim")}
    by_spf = dmarc.aligned(lane.bounces, lane.author, strict=strict["aspf"], names=names)
    by_dkim = any(dmarc.aligned(one, lane.author, strict=strict["adkim"], names=names) for one in lane.signers)
    if by_spf:
        yield _good(lane, "spf", f"bounces go to {lane.bounces}, and SPF counts for {lane.author}")
    if by_dkim:
        yield _good(lane, "dkim", f"mails are signed by {', '.join(lane.signers)}, and DKIM counts for {lane.author}")
    rests = "the relay's signature" if not lane.signers else "DKIM" if by_dkim else "nothing"
    if not by_spf:
        level = Level.ERROR if lane.signers and not by_dkim else Level.WARNING
        text = (
            f"In {lane.title} bounces go to {lane.bounces}, for which SPF does not count: it stands for another domain "
            f"than {lane.author} does{_why(strict['aspf'])}. DMARC rests on {rests} alone."
        )
        yield Finding(level, "align.spf", lane.author, text, _cure(lane, applied, "aspf", [lane.bounces], names))
    if lane.signers and not by_dkim:
        rests = "SPF alone, which does not survive forwarding" if by_spf else "nothing: it fails"
        text = (
            f"In {lane.title} mails are signed by {', '.join(lane.signers)}, which does not count: it stands for "
            f"another domain than {lane.author} does{_why(strict['adkim'])}. DMARC rests on {rests}."
        )
        level = Level.WARNING if by_spf else Level.ERROR
        yield Finding(level, "align.dkim", lane.author, text, _cure(lane, applied, "adkim", lane.signers, names))


def _by_relay(lane: Lane) -> Finding:
    text = (
        f"In {lane.title} the relay signs. In a mail that was received, look for dkim=pass with a header.d that is "
        f"{lane.author} or stands for it, and for List-Unsubscribe and List-Unsubscribe-Post in the h= of that "
        "signature. To sign here instead: flask mail dkim new"
    )
    return Finding(Level.NOTE, "align.relay", lane.author, text)


def _good(lane: Lane, how: str, what: str) -> Finding:
    return Finding(Level.GOOD, f"align.{how}_good", lane.author, f"In {lane.title} {what}.")


def _why(strict: bool) -> str:
    return " (the DMARC record asks for the very same one)" if strict else ""


def _cure(lane: Lane, applied: dmarc.Place, tag: str, domains: Sequence[str], names: Names) -> tuple[Record, ...]:
    """Return the DMARC record with which a domain counts, where a record can do it."""
    if applied.policy is None:
        return ()
    relaxed = applied.policy.tags.without(tag, *dmarc.GONE)
    if any(dmarc.aligned(one, lane.author, strict=False, names=names) for one in domains):
        return (Record(f"_dmarc.{applied.domain}", "TXT", relaxed),)
    # They are of one house, but no record above both of them says so.
    home = common(lane.author, domains[0])
    return (Record(f"_dmarc.{home}", "TXT", relaxed),) if home else ()


def common(*domains: str) -> str | None:
    """Return the longest domain that all of these are in, when it has two labels or more."""
    labels = [domain.lower().rstrip(".").split(".")[::-1] for domain in domains]
    shared: list[str] = []
    for several in zip(*labels, strict=False):
        if len(set(several)) > 1:
            break
        shared.append(several[0])
    return ".".join(shared[::-1]) if len(shared) > 1 else None
