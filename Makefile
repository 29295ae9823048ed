# The two commands: `make demo` and `make test`. Everything they need, they install.
.PHONY: demo test setup setup-dev lint unit accept bench clean

demo: setup
	@.venv/bin/python -m tandem.apps.demo $(if $(KEEP),--keep)

test: setup-dev
	@.venv/bin/python tools/test.py

setup:
	@sh tools/setup.sh

setup-dev:
	@sh tools/setup.sh dev

lint: setup-dev            ## format, rules, types, import contracts
	@.venv/bin/python tools/test.py lint

unit: setup-dev            ## the tests that need no root
	@.venv/bin/python -m pytest -q -m "not root"

accept: setup-dev          ## rewrite golden files; then read the diff
	@.venv/bin/python -m pytest -q --accept tests/unit

bench: setup-dev           ## figures into bench/results/
	@.venv/bin/python bench/run.py

clean:
	rm -rf .venv build dist
