# Winnow's commands. `make serve` and `make test` need only Python >= 3.11 and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
WITH_DATA = $(if $(wildcard $(DATA)/*.jsonl.gz),--data $(DATA))
NODE_CLIENTS := tests/compat/node tests/console/node

.PHONY: serve test faults faults-long fuzz fuzz-long check audit sbom bench bench-long rivals train semantic node-clients lock clean

serve: $(VENV)/run.stamp  ## set up and start everything
	@exec $(BIN)/winnow serve

test: $(VENV)/dev.stamp  ## set up and run every test
	$(BIN)/python -m pytest $(PYTEST_ARGS)

faults: $(VENV)/dev.stamp  ## five minutes of the fault harness (FAULTS="--seed 7 --only kills" chooses)
	$(BIN)/python -m tests.faults $(FAULTS)

faults-long: $(VENV)/dev.stamp  ## the fault harness with the counts of a release: many hours
	$(BIN)/python -m tests.faults --long $(FAULTS)

fuzz: $(VENV)/dev.stamp  ## ten minutes of fuzzing: API, models, store, parsers (FUZZ="--seed 7" repeats one)
	$(BIN)/python -m tests.fuzz $(FUZZ)

fuzz-long: $(VENV)/dev.stamp  ## fuzzing with the counts of a release: many hours
	$(BIN)/python -m tests.fuzz --long $(FUZZ)

check: $(VENV)/dev.stamp  ## lint, types, import contracts, generated docs up to date
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m service.reference --check
	$(MAKE) --no-print-directory audit sbom

audit: $(VENV)/dev.stamp  ## known vulnerabilities of the pinned packages; a warning where nobody can be asked
	$(BIN)/python requirements/audit.py

sbom: build/sbom.json  ## the software bill of materials (CycloneDX) of what the service installs

build/sbom.json: requirements/run.txt pyproject.toml | $(VENV)/dev.stamp
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o $@ requirements/run.txt

bench: $(VENV)/dev.stamp  ## ten minutes of measurements (after `make rivals`, beside others): build/bench/performance.md
	@mkdir -p build/bench
	$(BIN)/winnow bench --plan benchmarks/short.toml $(WITH_DATA) > build/bench/short.json; \
	ended=$$?; $(BIN)/python benchmarks/report.py build/bench/short.json --into build/bench && exit $$ended

bench-long: $(VENV)/dev.stamp  ## all measurements, with up to a million comments: some hours
	@mkdir -p build/bench
	$(BIN)/winnow bench --plan benchmarks/long.toml $(WITH_DATA) > build/bench/long.json; \
	ended=$$?; $(BIN)/python benchmarks/report.py build/bench/long.json --into build/bench && exit $$ended

rivals: .venv-rivals/stamp $(VENV)/run.stamp  ## what `make bench` compares Winnow with: FastAPI, scikit-learn, Isso, ONNX Runtime
	$(BIN)/winnow bench usual_models $(WITH_DATA)

train: $(VENV)/run.stamp  ## train the classifier on DATA (a folder of NAME.jsonl.gz)
	$(BIN)/winnow train --data $(DATA)

semantic: $(VENV)/semantic.stamp  ## add what the classifier's optional second stage needs

node-clients: $(NODE_CLIENTS:%=%/node_modules/.package-lock.json)  ## what tests/compat and tests/console call of Node's

lock: $(VENV)/dev.stamp  ## renew the hash-pinned requirements from pyproject.toml
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build pyproject.toml -o requirements/run.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --extra build --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-deps requirements/semantic.in -o requirements/semantic.txt
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements/rivals.in -o requirements/rivals.txt

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Winnow needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/run.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@touch $@

$(VENV)/semantic.stamp: requirements/semantic.txt $(VENV)/run.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --only-binary :all: -r requirements/semantic.txt
	@touch $@

# Isso and its Markdown library have no wheels.
.venv-rivals/stamp: requirements/rivals.txt
	$(PYTHON) -m venv .venv-rivals
	.venv-rivals/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: --no-binary isso,misaka -r $<
	@touch $@

%/node_modules/.package-lock.json: %/package-lock.json
	npm ci --prefix $* --ignore-scripts --no-audit --no-fund --loglevel=error

clean:  ## remove what was built, keep the data directory
	rm -rf $(VENV) $(NODE_CLIENTS:%=%/node_modules) build *.egg-info .pytest_cache .mypy_cache .ruff_cache
