# The one door. Needs python3 (3.11 or newer, with venv), make, cargo and a C compiler; all else goes into .venv and target.
.DEFAULT_GOAL := help
.PHONY: help install demo test test-rust test-python check format lint types arrows contract gen-fresh wheels gen bench sim clean

BIN := .venv/bin
RUN := $(BIN)/uv run --no-sync
# What `make sim` spends, as in `make sim SIM_SECONDS=60 SIM_SEEDS=20 FUZZ_SECONDS=60`.
SIM_SECONDS := 600
SIM_SEEDS := 500
FUZZ_SECONDS := 600
# The tests spend much of their time waiting for leases, processes and sockets. A file's tests stay together and in order.
TEST_PROCESSES := 3
# pip and uv keep their caches where the user's are; nothing of the build leaves the clone.
UV_SYNC := $(BIN)/uv sync --locked --all-packages

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

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

test: test-rust test-python ## run all tests
	@echo "== all tests passed"

test-rust: ## run the Rust tests
	@echo "== Rust tests"
	cargo test --locked --workspace --exclude haversack-python

test-python: install ## run the Python tests: contracts, server, client, oracle, end to end, tidy
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

sim: install ## random organizations, filters and rows for a long time; seeds are printed and replay
	@echo "== the engine against its definition, for $(SIM_SECONDS) seconds"
	HAVERSACK_SIMULATION_SECONDS=$(SIM_SECONDS) cargo test --locked -p haversack-engine --test it views::simulation \
		-- --nocapture
	@echo "== servers and devices against SQL, $(SIM_SEEDS) organizations"
	$(RUN) pytest tests/oracle --simulation-seeds $(SIM_SEEDS)
	@echo "== the parser of filters and the row codec on anything, for $(FUZZ_SECONDS) seconds"
	HAVERSACK_FUZZ_SECONDS=$(FUZZ_SECONDS) cargo test --locked -p haversack-engine --lib for_a_while -- --nocapture

clean: ## delete what was built
	rm -rf .venv target dist demo-data
