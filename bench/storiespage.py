"""What there is to read, as the page tells it."""

from bench.promises import FINDING
from bench.results import Results
from bench.tables import ms, rate, table


def section(results: Results) -> str:
    """Return the section of the page; nothing when it was not measured."""
    found = results.of("stories")
    if "push" not in found:
        return ""
    taken, page = found["ingest"], found["page"]
    rows = [
        (name, f"{one['count']:,}", *(ms(one[key]) for key in ("median", "p95", "worst")))
        for name, one in ((name, found[name]) for name in (*FINDING, "push"))
    ]
    words = (
        f"An archive of {found['archive']:,} made-up stories of some 360 words, five years of them; words come as "
        f"often as Zipf's law has it. Beside it {taken['stories']:,} new ones come in feeds of 25: read, cleaned, "
        "compared with all that is known, stored and indexed, each feed in a transaction of its own, "
        f"{rate(taken['rate'])} in one process. *See also* is one story's, worked out and stored; searches have one "
        f"to four words, and {found['search']['found']} of {found['search']['count']} found something. A push ends "
        "when the story's page was read and calls it breaking."
    )
    asked = [
        (name, rate(page[name]["per second"]), rate(page[name]["per core"]))
        for name in ("whole", "304")
        if name in page
    ]
    pages = (
        f"200 stories' pages ({page['octets']:,.0f} octets each) are asked of the shipped site over four connections "
        "that are kept. *Of a core* is by the CPU time of the site's processes, since who asks shares the machine."
    )
    return "\n\n".join(
        [
            "## Stories",
            words,
            table(("looked for", "how many", "median", "95th percentile", "worst"), rows),
            pages,
            table(("story page", "answers", "of a core"), asked),
        ]
    )
