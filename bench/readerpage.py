"""What readers wait for, as the page tells it."""

from bench.results import Results
from bench.tables import ms, table


def section(results: Results) -> str:
    """Return the section of the page; nothing when it was not measured."""
    found = results.of("readers")
    if "due" not in found:
        return ""
    due = found["due"]
    parts = [
        "## What readers wait for",
        f"{due['subscriptions']:,} subscriptions to one digest, {due['readers of the wave']:,} of them in its largest "
        "wave. Who is due is asked of PostgreSQL alone; each is the median of several.",
        table(
            ("asked", "time"),
            [
                ("which waves should have started", ms(due["waves"])),
                *(
                    (f"the next 2,000 readers of the largest, {where}", ms(due[name]))
                    for name, where in (
                        ("first chunk", "at its begin"),
                        ("middle chunk", "in its middle"),
                        ("last chunk", "near its end"),
                    )
                ),
            ],
        ),
    ]
    asked = [(f"{name}, one after the other", one) for name, one in found.get("pages", {}).items()]
    if "forms" in found:
        asked.append((f"the form, {found['forms']['per second']:,.0f} a second", found["forms"]))
    if asked:
        rows = [
            (name, f"{one['count']:,}", *(ms(one[key]) for key in ("median", "p99", "worst"))) for name, one in asked
        ]
        parts.append(
            "The shipped site, two processes of gunicorn, from outside. Forms come at their times, whether those "
            "before were answered or not, each from an origin of its own and with its proof of work; what one waits "
            "for a free line counts. In the middle of them Redis is killed, and is back after "
            f"{found.get('forms', {}).get('redis away', 0):.0f} s. No worker runs beside them."
        )
        parts.append(table(("page", "how many", "median", "99th percentile", "worst"), rows))
    if "fields" in found:
        fields = found["fields"]
        parts.append(
            f"A form as people send it takes {ms(fields['usual'])}; with one field of 60,000 or 100,000 octets, of ten "
            f"kinds in each of its ten fields, at the most {ms(fields['longest'])}: {fields['whose']}."
        )
    if "forecast" in found:
        one = found["forecast"]
        parts.append(
            f"A forecast of the next edition of {one['readers']:,} readers, {one['mails']:,} of whom get mail, takes "
            f"{one['seconds']:.1f} s in one process: chunk by chunk, by the code that composes, without its writes."
        )
    return "\n\n".join(parts)
