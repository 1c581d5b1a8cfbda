VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: help demo test-fast test test-long test-oldest-mlflow test-fitting-torchvision test-submit test-export test-slurm audit lint bench bench-scale bench-tracking bench-losses bench-finetune bench-decode bench-report bench-decisions faults kills docs house clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*##* */\1\t/p' Makefile | expand -t 28

demo: $(READY)  ## install, run the demo study, write its report
	$(BIN)/evenkeel run demo
	$(BIN)/evenkeel report demo

test-fast: $(READY)  ## unit and contract tests: no Ray, no browser, no whole study, no training
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not slow and not whole and not long"

test: $(READY)  ## the suite, real Ray, MLflow and browser included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not long"

test-long: $(READY)  ## what make test leaves out: long tests that have a shorter neighbour there
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long

test-oldest-mlflow: $(READY)  ## tracking with the lowest MLflow that pyproject.toml allows (which wants SQLAlchemy 2.0)
	$(BIN)/python -m pip install --quiet --upgrade --target .oldest-mlflow "mlflow==3.7.0" "sqlalchemy<2.1"
	PYTHONPATH=.oldest-mlflow $(BIN)/python -m pytest tests/test_tracking.py

test-fitting-torchvision: $(READY)  ## models with a torch and a torchvision that fit each other, the newest (several GB)
	$(PYTHON) -m venv .fitting
	.fitting/bin/python -m pip install --quiet torch torchvision
	.fitting/bin/python -m pip install --quiet -e ".[dev]"
	.fitting/bin/python -c "import torch, torchvision; assert torchvision.extension._has_ops()"
	.fitting/bin/python -m pytest tests/test_torchvision_pair.py tests/test_weights.py tests/test_finetune.py tests/test_lm_clip.py tests/test_measures.py

audit:  ## known weaknesses of the pinned dependencies; asks PyPI
	$(PYTHON) -m venv .audit
	.audit/bin/python -m pip install --quiet pip-audit
	.audit/bin/pip-audit --requirement constraints.txt --no-deps --disable-pip

test-submit: $(READY)  ## jobs on a Ray head with its job server, which evenkeel[cluster] brings
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,cluster]"
	$(BIN)/python -m pytest tests/test_submit.py

DEEPCAVE_PYTHON ?= python3.10
test-export: $(READY)  ## exports in the real tools: wandb beside evenkeel, DeepCAVE (Python 3.10 or older) in a venv of its own
	$(BIN)/python -m pip install --quiet -c constraints.txt wandb
	$(DEEPCAVE_PYTHON) -m venv .deepcave
	.deepcave/bin/python -m pip install --quiet deepcave
	DEEPCAVE_PYTHON=$(CURDIR)/.deepcave/bin/python $(BIN)/python -m pytest tests/test_export_tools.py

lint: $(READY)  ## ruff and mypy, as CI runs them
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY)  ## trials a minute, against plain scripts
	$(BIN)/python -m benchmarks.trials_per_minute

bench-scale: $(READY)  ## the platform's own cost: up to 100,000 trials, up to eight nodes (about a quarter of an hour)
	$(BIN)/python -m benchmarks.engine_scale

bench-tracking: $(READY)  ## runs a second into MLflow; PostgreSQL is Debian's package
	$(BIN)/python -m benchmarks.tracking --postgresql

bench-decisions: $(READY)  ## how often each kind of sentence of the page is false, on studies of a known truth
	$(BIN)/python -m benchmarks.decisions

.PHONY: bench-verdicts
bench-verdicts: $(READY)  ## what a verdict costs: seeds and levels where they decide against all of them, AdaStop, other early stops
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[bench]"
	$(BIN)/python -m benchmarks.verdict_cost
	$(BIN)/python -m benchmarks.finer_levels

.PHONY: bench-joint
bench-joint: $(READY)  ## how often the interval over data sets holds the truth
	$(BIN)/python -m benchmarks.joint_coverage

.PHONY: bench-functions
bench-functions: $(READY)  ## a training function of 0.1 s: evenkeel, Ray Tune's function API, Optuna with joblib
	$(BIN)/python -m benchmarks.function_trials

.PHONY: bench-search
bench-search: $(READY)  ## a search that never waits, and one that gives up early: busy workers, trials, worker-hours
	$(BIN)/python -m benchmarks.search_idle
	$(BIN)/python -m benchmarks.search_pruned

bench-report: $(READY)  ## the report of 1e5 trials: time, size, memory
	$(BIN)/python -m benchmarks.report_scale

.PHONY: bench-runs
bench-runs: $(READY)  ## the page of 100,000 runs of somebody else: time, memory
	$(BIN)/python -m benchmarks.runs_scale

bench-finetune: $(READY)  ## images a second; DATA=folder of Corel-5k; and whether packs pay
	$(BIN)/python -m benchmarks.finetune_speed --data $(DATA)
	$(BIN)/python -m benchmarks.finetune_packs

.PHONY: bench-gpu
bench-gpu: $(READY)  ## what a GPU makes of packs, losses, fine-tuning and features (under ten minutes)
	PYTHON=$(BIN)/python sh benchmarks/gpu.sh

bench-decode: $(READY)  ## images a second from folder, zip, Parquet, tar and DICOM, against a plain DataLoader
	$(BIN)/python -m benchmarks.decode

faults: $(READY)  ## a study under faults of every kind, on three nodes of this machine (about twenty minutes), then things from outside (three)
	$(BIN)/python -m benchmarks.faults
	$(BIN)/python -m benchmarks.outside

kills: $(READY)  ## a kill loop on real Ray: 25 signals at random moments, second drivers, reports beside (about a quarter of an hour)
	$(BIN)/python -m benchmarks.kills

bench-losses: $(READY)  ## forward and backward of each loss, against torch and the published code
	$(BIN)/python -m benchmarks.loss_speed

docs: $(READY)  ## tables of keys in docs/study_files.md, made from the models
	$(BIN)/python -m evenkeel.study.file.keys

.PHONY: site
site: $(READY)  ## the documents as a site that needs no network, in build/site; a dead link ends it
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[docs]"
	$(BIN)/python -m sphinx -q -W --keep-going -c docs -b html . build/site

.PHONY: gallery
gallery: $(READY)  ## the pictures of docs/gallery.md, of the pages that were made as it says; needs a Chromium
	for name in demo steadiness-corel5k table; do \
	  page=studies/$$name/report.html; picture=docs/gallery_$${name#steadiness-}.png; \
	  if [ -e $$page ]; then $(BIN)/python -m benchmarks.screenshots $$page $$picture; else echo "no $$page"; fi; \
	done

house: $(READY)  ## words, lengths, imports between rooms; AGAINST=COMMIT shows that commit beside them
	$(BIN)/python benchmarks/house.py $(if $(AGAINST),--against $(AGAINST))

clean:  ## remove what make and the tools have made, studies/ included
	rm -rf $(VENV) .oldest-mlflow .fitting .audit .deepcave studies build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(READY): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv --allow-existing --python $(PYTHON) $(VENV) && \
	  uv pip install --python $(BIN)/python -c constraints.txt -e ".[dev]"; \
	else \
	  $(PYTHON) -m venv $(VENV) && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"; \
	fi
	@touch $(READY)
