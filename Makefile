# The few daily commands.
.PHONY: run test fast lint docs ci sheet
# Where the environment forbids Python to write bytecode, each process would compile the tests again.
export PYTHONDONTWRITEBYTECODE =

run:            ## the default experiment
	uv run python -m coilal.train

test:           ## every test
	uv run pytest

fast:           ## format, lint, types and the tests that take a moment: under a minute on two cores
	uv run ruff format --check .
	uv run --no-sync ruff check .
	uv run --no-sync mypy
	uv run --no-sync pytest -m "not slow" tests/unit tests/contract

lint:           ## format, lint, types
	uv run ruff format .
	uv run ruff check --fix .
	uv run mypy

docs:           ## the documentation as a site, in outputs/site
	NO_MKDOCS_2_WARNING=1 uv run --isolated --only-group docs mkdocs build --quiet --strict --config-file .ci/mkdocs.yml

ci:             ## what must pass
	bash .ci/run

sheet:          ## rendered coils with a contact sheet, in outputs/render
	uv run python -m coilal.render --out outputs/render --force
