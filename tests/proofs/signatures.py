"""The proof of the signatures: mails of every kind, sent by the shipped sender through a real Postfix, hold after it.

They are checked by dkimpy and by OpenDKIM, neither of which shares code with the product, with the records that
`flask mail dkim show` prints. `make proof-signatures` runs it in full and writes docs/proofs/signatures.md.
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dkim

from tests.journeys import houses
from tests.journeys.houses import ROOT, House
from tests.proofs import every_kind, page, relaying

DOMAIN = "monsoon.example.org"
HEADER = re.compile(rb"DKIM-Signature:(?:[^\r]|\r\n[ \t])*\r\n")
SAID = re.compile(r"^opendkim: (\S+): verification .*?\) (succeeded|failed)", re.MULTILINE)
Verify = Callable[[Sequence[bytes]], list[list[bool]]]
"""Says of each mail, and of each of its signatures from the top, whether it is good."""


@dataclass
class Counts:
    """What was checked, and what was not as it must be."""

    kinds: Counter[str] = field(default_factory=Counter)
    signatures: Counter[str] = field(default_factory=Counter)
    broken: Counter[str] = field(default_factory=Counter)
    kept: int = 0
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Change:
    """Something that is done to a mail on its way, and whether its signatures must hold after it."""

    what: str
    holds: bool
    make: Callable[[bytes], bytes]


def _on_top(line: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: line + b"\r\n" + raw


def _below(line: bytes) -> Callable[[bytes], bytes]:
    return lambda raw: raw.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n", 1)


POST = b"List-Unsubscribe-Post: List-Unsubscribe=One-Click"
CHANGES = (
    Change("a second From on top", False, _on_top(b"From: other@example.org")),
    Change("a second From below", False, _below(b"From: other@example.org")),
    Change("a second List-Unsubscribe", False, _on_top(b"List-Unsubscribe: <https://other.example.org>")),
    Change("a second List-Unsubscribe-Post", False, _below(POST)),
    Change("another Subject", False, lambda raw: re.sub(rb"(?m)^Subject: ", b"Subject: Re: ", raw, count=1)),
    Change("a line more at the end", False, lambda raw: raw + b"More.\r\n"),
    Change("a header that nobody signed", True, _on_top(b"X-Scanned: yes")),
)


def by_dkimpy(records: Mapping[str, str]) -> Verify:
    """Return a verifier that is dkimpy."""

    def dns(name: bytes, timeout: float = 5) -> bytes | None:
        found = records.get(name.decode("ascii").rstrip("."))
        return None if found is None else found.encode("ascii")

    def holds(raw: bytes, index: int) -> bool:
        try:
            return bool(dkim.DKIM(raw).verify(idx=index, dnsfunc=dns))
        except dkim.DKIMException:
            return False

    return lambda mails: [[holds(raw, index) for index in range(len(HEADER.findall(raw)))] for raw in mails]


def by_opendkim(records: Mapping[str, str], folder: Path) -> Verify:
    """Return a verifier that is OpenDKIM. It looks at the first signature only, so it gets each alone."""
    (folder / "records").write_text("".join(f"{name} {text}\n" for name, text in records.items()), "ascii")
    (folder / "opendkim.conf").write_text(f"TestPublicKeys {folder / 'records'}\nMode v\n", "ascii")

    def verify(mails: Sequence[bytes]) -> list[list[bool]]:
        alone = [_alone(raw) for raw in mails]
        files = []
        for number, raw in enumerate(one for signatures in alone for one in signatures):
            files.append(folder / f"{number}.eml")
            files[-1].write_bytes(raw.replace(b"\r\n", b"\n"))
        verdicts = iter(_asked(folder, files))
        return [[next(verdicts) for _one in signatures] for signatures in alone]

    return verify


def _alone(raw: bytes) -> list[bytes]:
    """Return the mail with each of its signatures, and without the others."""
    found = HEADER.findall(raw)
    rest = HEADER.sub(b"", raw)
    return [one + rest for one in found]


def _asked(folder: Path, files: Sequence[Path]) -> Iterator[bool]:
    for start in range(0, len(files), 100):
        some = files[start : start + 100]
        command = ["opendkim", "-f", "-x", str(folder / "opendkim.conf"), "-t", ",".join(map(str, some))]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        said = dict(
            re.findall(r"^opendkim: (\S+): verification .*?\) (succeeded|failed)", done.stdout + done.stderr, re.M)
        )
        if len(said) != len(some):
            raise RuntimeError(f"OpenDKIM said {len(said)} verdicts on {len(some)} mails: {done.stderr[-600:]}")
        yield from (said[str(file)] == "succeeded" for file in some)


def sent(folder: Path, *, each: int) -> tuple[dict[str, str], list[bytes]]:
    """Have the shipped sender mail `each` readers of every kind through Postfix; return the records and the mails."""
    with relaying.relay() as relay:
        house = _house(folder, relay.port)
        try:
            house.flask("db", "upgrade")
            printed = house.flask("mail", "dkim", "new", DOMAIN, "--folder", str(folder / "keys"))
            with Path(house.environment["POSTRIDER_CONFIG"]).open("a", encoding="utf-8") as config:
                config.write(printed[printed.index("[dkim.") :])
            records = {
                one["name"]: "".join(one["strings"])
                for one in json.loads(house.flask("mail", "dkim", "show", "--json"))
            }
            count = every_kind.queue(house.environment, each)
            house.start("pump", sys.executable, "-m", "flask", "--app", "app", "delivery", "pump")
            return records, relay.wait_for(count)
        finally:
            house.close()


def _house(folder: Path, port: int) -> House:
    """Return an installation of the demo's publication that sends through a relay at this port."""
    config = folder / "postrider.toml"
    config.write_text((ROOT / "demo" / "postrider.toml").read_text("utf-8"), "utf-8")
    environment = houses.environment_of(
        **houses.KEYS,
        DATABASE_URL=f"sqlite:///{folder / 'postrider.db'}",
        SMTP_URL=f"smtp://127.0.0.1:{port}",
        POSTRIDER_CONFIG=str(config),
        STATE_DIR=str(folder / "state"),
    )
    return House(folder, environment, "", "")


def checked(mails: Sequence[bytes], verifiers: Mapping[str, Verify]) -> Counts:
    """Have each verifier look at all mails as they arrived, and as they would be after each change."""
    counts = Counts()
    for raw in mails:
        counts.kinds.update(every_kind.kinds(raw))
    for name, verify in verifiers.items():
        for raw, found in zip(mails, verify(mails), strict=True):
            counts.signatures[name] += sum(found)
            if found != [True, True]:
                counts.faults.append(f"{name} finds {found} in {raw[:80]!r}")
        for change in CHANGES:
            for found in verify([change.make(raw) for raw in mails]):
                if found == [change.holds] * 2:
                    counts.broken[name] += not change.holds
                    counts.kept += change.holds
                else:
                    counts.faults.append(f"{name} finds {found} after {change.what}")
    return counts


def main() -> int:
    """Run the proof in full and write its page; the exit status says whether it holds."""
    parser = argparse.ArgumentParser(description="Send signed mails through Postfix, and have others verify them.")
    parser.add_argument("--each", type=int, default=50, help="readers of every kind of mail")
    options = parser.parse_args()
    try:
        relaying.needed("postfix", "opendkim")
    except relaying.ProgramMissing as missing:
        sys.stderr.write(f"{missing}\n")
        return 1
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        records, mails = sent(folder, each=options.each)
        verifiers = {"dkimpy": by_dkimpy(records), "OpenDKIM": by_opendkim(records, folder)}
        counts = checked(mails, verifiers)
    page.write(
        "signatures",
        title="Signed, and still so behind a relay",
        claim=(
            "The shipped sender, with keys of `flask mail dkim new`, hands mails of every kind to a real Postfix. What "
            "it keeps is verified by dkimpy and by OpenDKIM, which share no code with Postrider, against the records "
            "that `flask mail dkim show` prints: the RSA and the Ed25519 signature, each alone. Then each mail is "
            "changed as somebody on the way could, and both must fail: "
            f"{', '.join(change.what for change in CHANGES if not change.holds)}. Both must hold after "
            f"{' and '.join(change.what for change in CHANGES if change.holds)}."
        ),
        rows={
            "mails through Postfix": f"{len(mails):,}",
            **{name: f"{count:,}" for name, count in sorted(counts.kinds.items())},
            **{f"signatures that {name} found good": f"{count:,}" for name, count in counts.signatures.items()},
            **{f"changed mails that {name} refused": f"{count:,}" for name, count in counts.broken.items()},
            "mails with a header more that both took": f"{counts.kept:,}",
            "not as it must be": len(counts.faults),
        },
        faults=counts.faults[:5],
    )
    return 1 if counts.faults else 0


if __name__ == "__main__":
    sys.exit(main())
