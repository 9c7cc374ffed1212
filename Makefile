# Every target prepares .venv by itself when it is missing or older than pyproject.toml or constraints.txt.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test test-fast check format bench clean help

help:
	@echo "make demo       edit the bundled photos into demo-output/ and print the path of the report"
	@echo "make test       all tests"
	@echo "make test-fast  the tests that take a second or two at most"
	@echo "make check      lint, format, types and import directions"
	@echo "make format     let ruff fix and format the code"
	@echo "make bench      measure speed on this machine"
	@echo "make clean      remove .venv, caches and demo-output/"

$(READY): pyproject.toml constraints.txt
	@echo "preparing .venv (a few minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	@touch $@

demo: $(READY)
	@$(BIN)/sunroom edit samples demo-output --recipe listing --update
	@echo "Open $(CURDIR)/demo-output/report/index.html"

test: $(READY)
	$(BIN)/python -m pytest

test-fast: $(READY)
	$(BIN)/python -m pytest -m "not slow"

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(READY)
	@for script in speed.main_job speed.ray_overhead speed.transfer speed.check speed.encode quality.fusion quality.tone; do \
		echo "benchmarks.$$script"; $(BIN)/python -m benchmarks.$$script || exit 1; done

clean:
	rm -rf .venv demo-output .pytest_cache .ruff_cache .hypothesis
