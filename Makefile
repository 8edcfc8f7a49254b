# The one door. Needs python3 (3.11 or newer, with venv), make, cargo and a C compiler; all else goes into .venv and target.
.DEFAULT_GOAL := help
.PHONY: help install demo demo-odata test test-rust test-python check format lint types arrows contract gen-fresh wheels gen bench clean
.PHONY: sim sim-worlds sim-views sim-parsers sim-oracle sim-kills

BIN := .venv/bin
RUN := $(BIN)/uv run --no-sync
# What `make sim` spends, as in `make sim SIM_SECONDS=300 SIM_SEEDS=20 SIM_KILLS=20`: seconds that the parts share which
# end by the clock, organizations of the part that compares with SQL, processes that are killed (some five seconds each).
SIM_SECONDS := 3600
SIM_SEEDS := 500
SIM_KILLS := 200
# The tests spend much of their time waiting for leases, processes and sockets. A file's tests stay together and in order.
TEST_PROCESSES := 3
# pip and uv keep their caches where the user's are; nothing of the build leaves the clone.
UV_SYNC := $(BIN)/uv sync --locked --all-packages

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

$(BIN)/uv: pyproject.toml
	@echo "== making .venv"
	python3 -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep -oE 'uv==[0-9.]+' pyproject.toml)"
	@touch $@

install: $(BIN)/uv ## build everything into .venv
	@echo "== building the server's Rust core and installing all packages (minutes at first, seconds later)"
	$(UV_SYNC)

demo: install ## show the main job on real data
	$(RUN) haversack demo

demo-odata: install ## follow an OData service, and write back to it
	$(RUN) python examples/sources/odata/demo.py

# On a PostgreSQL of its own, or on one that is named: make demo-postgres POSTGRES_URL=postgresql://role:password@host/database
demo-postgres: install ## follow a PostgreSQL database, and write back to it
	@PYTHONPATH=tests $(RUN) python examples/sources/postgres/demo.py $(if $(POSTGRES_URL),--url "$(POSTGRES_URL)")

test: test-rust test-python ## run all tests
	@echo "== all tests passed"

test-rust: ## run the Rust tests
	@echo "== Rust tests"
	cargo test --locked --workspace --exclude haversack-python

test-python: install ## run the Python tests: contracts, server, client, oracle, end to end, simulation, tidy
	@echo "== Python tests"
	$(RUN) pytest -n $(TEST_PROCESSES) --dist loadfile

check: test gen-fresh format lint types arrows contract wheels ## everything CI runs
	@echo "== check passed"

format: install ## check formatting
	cargo fmt --all --check
	$(RUN) ruff format --check

lint: install ## lint Rust, Python and spelling
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(RUN) ruff check
	$(RUN) typos

types: install ## check Python types
	$(RUN) mypy

arrows: install ## check which package may import which
	$(RUN) lint-imports

contract: install ## lint the contract
	$(RUN) buf lint
	$(RUN) buf format --diff --exit-code

gen: install ## write the contract's code and the generated pages of docs anew
	$(RUN) python proto/generate.py
	$(RUN) python docs/generate.py

gen-fresh: gen ## fail if what is generated and committed is stale
	git diff --exit-code --stat -- proto docs
	@test -z "$$(git ls-files --others --exclude-standard -- proto docs)" || (git status --short -- proto docs; exit 1)

wheels: install ## build the wheels and start them in a clean environment
	rm -rf dist
	$(BIN)/uv build --quiet --all-packages --wheel --out-dir dist
	$(BIN)/python tests/wheels.py dist

bench: install ## run the benchmarks; results go to benches/RESULTS.md by hand
	$(RUN) python benches/run.py

sim: sim-worlds sim-views sim-parsers sim-oracle sim-kills ## look for a long time for what no test knows of; seeds are printed and replay

sim-worlds: ## of sim: whole worlds of servers, devices and mishaps
	@echo "== servers and devices in worlds where everything goes wrong"
	HAVERSACK_SIMULATION_SECONDS=$$(($(SIM_SECONDS) * 7 / 10)) cargo test --locked -p haversack-gateway --test sim -- --nocapture

sim-views: ## of sim: the engine against the definition of a view
	@echo "== the engine against its definition"
	HAVERSACK_SIMULATION_SECONDS=$$(($(SIM_SECONDS) * 2 / 10)) cargo test --locked -p haversack-engine --test it \
		views::simulation -- --nocapture

sim-parsers: ## of sim: the parser of filters and the row codec on anything
	@echo "== the parser of filters and the row codec on anything"
	HAVERSACK_FUZZ_SECONDS=$$(($(SIM_SECONDS) / 10)) cargo test --locked -p haversack-engine --lib for_a_while -- --nocapture

sim-oracle: install ## of sim: servers and devices against SQL
	@echo "== servers and devices against SQL, $(SIM_SEEDS) organizations"
	$(RUN) pytest tests/oracle --simulation-seeds $(SIM_SEEDS)

sim-kills: install ## of sim: real processes, killed at any moment
	@echo "== processes killed at any moment, $(SIM_KILLS) of them"
	$(RUN) pytest tests/sim --simulation-kills $(SIM_KILLS) -s

clean: ## delete what was built
	rm -rf .venv target dist demo-data
