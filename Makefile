# The commands of Postrider; `make` alone lists them. PYTHON is the Python that .venv is made with.
PYTHON = python3
VENV = .venv
BIN = $(VENV)/bin/python
SETUP = $(PYTHON) tools/setup.py
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header

.SUFFIXES:
.PHONY: help run test check format messages pins bench proof-chaos proof-design proof-doorbell proof-feeds proof-fetch proof-flood proof-guards proof-kill proof-mailbox proof-pages proof-scripts proof-share proof-signatures proof-splice proof-year screenshots clean

help: ## list these commands
	@echo "Postrider: a newsletter service. The commands:"
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1 \2/p' Makefile | while read name does; do \
		printf '  make %-9s %s\n' "$$name" "$$does"; \
	done

run: $(VENV)/runtime.stamp ## set up, then run the whole service here: site, inbox, worker, sender
	@exec $(BIN) tools/foreground.py embedded.py

test: check ## set up, then formatting, lint, types, import rules and every test
	@$(BIN) tools/programs.py
	@$(BIN) -m pytest -n 2 --dist worksteal

check: $(VENV)/tests.stamp ## set up, then formatting, lint, types and import rules only
	@$(BIN) -m ruff format --check . || { echo "The cure: make format" >&2; exit 1; }
	@$(BIN) -m ruff check .
	@$(BIN) -m mypy --no-error-summary
	@$(BIN) -c "import importlinter.cli as linter; linter.lint_imports_command()" --no-logo

format: $(VENV)/tests.stamp ## bring the code into its format, and mend what lint can mend
	@$(BIN) -m ruff format .
	@$(BIN) -m ruff check --fix .

messages: $(VENV)/runtime.stamp ## bring translations/ up to date with the code; says what is left to translate
	@$(BIN) -m tools.messages

pins: ## compile requirements*.in into requirements*.txt with hashes (needs uv)
	@command -v uv >/dev/null 2>&1 || { echo "make pins needs uv: pip install uv" >&2; exit 1; }
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dev.in -o requirements-dev.txt

bench: $(VENV)/tests.stamp ## measure how fast it sends and answers, about 35 minutes on a quiet machine; writes docs/bench.md
	@$(BIN) -m bench

proof-chaos: $(VENV)/tests.stamp ## hundreds of seeds against senders, databases, Redis, clock and relay; writes docs/proofs/chaos.md
	@$(BIN) -m tests.proofs.chaos

proof-design: $(VENV)/tests.stamp ## hold the digest's HTML against mail programs, HTML, axe and SpamAssassin; writes docs/proofs/design.md
	@$(BIN) -m tests.proofs.design

proof-doorbell: $(VENV)/tests.stamp ## take Redis and workers away in every way; writes docs/proofs/doorbell.md
	@$(BIN) -m tests.proofs.doorbell

proof-feeds: $(VENV)/tests.stamp ## forty ways for a feed to be wrong, in a network of its own; writes docs/proofs/feeds.md
	@$(BIN) -m tests.proofs.feeds

proof-fetch: $(VENV)/tests.stamp ## addresses that lead inside, with canaries there; writes docs/proofs/fetch.md
	@$(BIN) -m tests.proofs.fetch

proof-flood: $(VENV)/tests.stamp ## sign one address up 10,000 times; writes docs/proofs/flood.md
	@$(BIN) -m tests.proofs.flood

proof-guards: $(VENV)/tests.stamp ## take each guard of the ledger out of a copy, and see the checker fail; writes docs/proofs/guards.md
	@$(BIN) -m tests.proofs.guards

proof-kill: $(VENV)/tests.stamp ## kill -9 the service 20 times while an edition goes out; writes docs/proofs/kill.md
	@$(BIN) -m tests.proofs.kill

proof-mailbox: $(VENV)/tests.stamp ## bounce mails by a real Postfix, read them from a real Dovecot, and 100,000 hostile ones; writes docs/proofs/mailbox.md
	@$(BIN) -m tests.proofs.mailbox

proof-pages: $(VENV)/tests.stamp ## have other programs read every page, mail and feed; writes docs/proofs/pages.md
	@$(BIN) -m tests.proofs.pages

proof-scripts: $(VENV)/tests.stamp ## bring 256 scripts in through every field, see none run in Chromium; writes docs/proofs/scripts.md
	@$(BIN) -m tests.proofs.scripts

proof-share: $(VENV)/tests.stamp ## send to friends of all kinds, compare answers and times, and 200 at once; writes docs/proofs/share.md
	@$(BIN) -m tests.proofs.share

proof-signatures: $(VENV)/tests.stamp ## send signed mails through Postfix, have two others verify them; writes docs/proofs/signatures.md
	@$(BIN) -m tests.proofs.signatures

proof-splice: $(VENV)/tests.stamp ## hold a million mails against a second splicer; writes docs/proofs/splice.md
	@$(BIN) -m tests.proofs.splice

proof-year: $(VENV)/tests.stamp ## simulate a year of readers and stories, judged by a model; writes docs/proofs/year.md
	@$(BIN) -m tests.proofs.year

screenshots: $(VENV)/tests.stamp ## photograph pages and mails, light, dark, phone, desktop, paper; writes var/screenshots
	@$(BIN) tools/programs.py --fonts
	@$(BIN) -m tests.screenshots $(SHOTS)

clean: ## remove .venv and every cache; var/, with the database, stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.PRECIOUS: $(BIN) $(VENV)/runtime.stamp $(VENV)/tests.stamp

# A stamp older than its requirements, or a .venv whose Python is gone, and the set-up looks again.
$(VENV)/runtime.stamp: requirements.txt tools/setup.py tools/environment.py | $(BIN)
	@$(SETUP)

$(VENV)/tests.stamp: requirements-dev.txt $(VENV)/runtime.stamp
	@$(SETUP) --dev

$(BIN):
	@command -v $(PYTHON) >/dev/null 2>&1 || { \
		echo "Postrider needs Python 3.11 or newer, and there is no $(PYTHON) here. Install it" \
			"(Debian: apt-get install -y python3 python3-venv) or run: make run PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(SETUP)
