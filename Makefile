# Every target creates the environment it needs. `make help` lists them.
VENV    ?= .venv
PYTHON  ?= python3.11
PROFILE ?= cpu
JOBS    ?= 2
TESTERS  = $(shell expr $(JOBS) + 1)  # processes of the suite, many of whose tests wait for another process
DEVICE  ?= cpu
PY      := "$(VENV)/bin/python"
RUN     := $(PY) -m sslrepro
export PYTHONPATH := $(CURDIR)
# Shapes and types are checked in the rooms that hold tensors (tests/__init__.py).
SHAPES  := sslrepro.base.tensors,sslrepro.data,sslrepro.parts,sslrepro.methods,sslrepro.training,sslrepro.evaluate
SHAPES  := $(SHAPES),sslrepro.embeddings,sslrepro.explore,sslrepro.own,tests.checked
export PYTHONWARNINGS := ignore::UserWarning:papermill
export JUPYTER_PLATFORM_DIRS := 1
# Hundreds of processes import the same modules: they are compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

# A variable on the command line that nothing here reads would be lost without a word: it is an error instead.
KNOBS   := VENV PYTHON PROFILE JOBS DEVICE TABLE METHOD NAME SEEDS DATA DATASET DRY MISSING COMPARE PUBLISH REPLICATION \
           SET SIDE OUT NO_OPEN JUPYTER FAULTS CLUSTER
GIVEN   := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
UNREAD  := $(filter-out $(KNOBS) MAKEFLAGS MAKEOVERRIDES,$(filter-out -%,$(GIVEN)))
ifneq ($(UNREAD),)
$(error no target reads $(UNREAD). Known: $(KNOBS). Settings of a table are changed with SET=NAME=VALUE, those of \
  a run with `make notebook` or `python -m sslrepro train --set NAME=VALUE`)
endif
export SSLREPRO_COMMAND := make $(MAKECMDGOALS) $(MAKEOVERRIDES)

# An environment named on the command line (VENV=...) is used as it is; the project's own follows requirements.txt.
ifeq ($(VENV),.venv)
ENV := $(VENV)/.complete
else
ENV :=
endif

.DEFAULT_GOAL := help
.PHONY: help reproduce list notebook book release pages check test test-fast test-processors lint faults bench clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14
	@echo
	@echo "  make reproduce TABLE=nnclr_queue [PROFILE=smoke|cpu|night|gpu|paper] [SEEDS=5] [JOBS=2] [DEVICE=cuda]"
	@echo "                 [TABLE=all] [DRY=1] [MISSING=1] [COMPARE=1] [PUBLISH=1] [REPLICATION=1] [CLUSTER=local]"
	@echo "                 [SET=settings.temperature=0.2] [SIDE=24] [OUT=paper/]"
	@echo "                 [DATA=<dir> DATASET=cifar10] [VENV=<existing environment>]"
	@echo "  make notebook TABLE=nnclr_queue | METHOD=nnclr | NAME=inside_one_step [NO_OPEN=1] [JUPYTER=\"--no-browser --allow-root\"]"

$(VENV)/.complete: requirements.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is needed (PYTHON=<path> names another 3.11)"; exit 1; }
	@echo "creating $(VENV) from requirements.txt (2-3 GB, a few minutes)"
	@test -x $(PY) || $(PYTHON) -m venv "$(VENV)"
	@$(PY) -m pip install -q --disable-pip-version-check -r requirements.txt
	@$(PY) -c "import umap"  # numba compiles UMAP's neighbour search: here once, else in every process that is first
	@touch $@

reproduce: $(ENV)  ## re-derive one table (TABLE=...) or all (TABLE=all) into runs/; without TABLE, list what exists
	@$(RUN) reproduce $(if $(TABLE),"$(TABLE)") --profile "$(PROFILE)" --jobs "$(JOBS)" --device "$(DEVICE)" \
	  $(if $(SEEDS),--seeds "$(SEEDS)") $(if $(DATA),--root "$(DATA)") $(if $(DATASET),--dataset "$(DATASET)") \
	  $(if $(DRY),--dry-run) $(if $(MISSING),--missing) $(if $(COMPARE),--compare) $(if $(PUBLISH),--publish) \
	  $(if $(REPLICATION),--publish-replication) $(if $(SET),--set "$(SET)") $(if $(SIDE),--side "$(SIDE)") \
	  $(if $(OUT),--out "$(OUT)") $(if $(CLUSTER),--cluster "$(CLUSTER)")

list: $(ENV)  ## tables, methods, data sets, profiles
	@$(RUN) list

notebook: $(ENV)  ## change one parameter and look: TABLE=..., METHOD=... or NAME=... opens a notebook in JupyterLab
	@$(RUN) notebook $(if $(TABLE),--table "$(TABLE)") $(if $(METHOD),--method "$(METHOD)") $(if $(NAME),--name "$(NAME)") \
	  $(if $(NO_OPEN),--no-open) \
	  $(if $(JUPYTER),-- $(JUPYTER))

pages: $(ENV)  ## execute again the pages whose inputs changed (from the ledger, nothing is trained)
	@$(RUN) pages

check: $(ENV)  ## which published pages are stale; fails if any is
	@$(RUN) check

book: $(ENV)  ## build the book, warnings as errors; prints the front page to open
	@"$(VENV)/bin/jupyter-book" build book --path-output . --all -W -n --keep-going -q
	@$(PY) book/_ext/offline.py _build/html
	@echo "open $(CURDIR)/_build/html/index.html"

release: book  ## pack the built book, the ledger and the sources into dist/, with their digests
	@$(RUN) release --book _build/html --out dist

lint: $(ENV)  ## ruff: format and rules
	@$(PY) -m ruff format --check . && $(PY) -m ruff check .

test: $(ENV)  ## lint, tests with shape checks, notebooks (nbval), stale pages
	@$(MAKE) --no-print-directory lint check
	@SMOKE_RUNS=$$(mktemp -d) && export SMOKE_RUNS && trap 'rm -rf "$$SMOKE_RUNS"' EXIT && \
	$(PY) -m pytest -q -p no:nbval -p no:logging -p tests.forked -n $(TESTERS) --dist worksteal tests \
	--jaxtyping-packages=$(SHAPES) && \
	OMP_NUM_THREADS=1 SSLREPRO_RUNS=$$SMOKE_RUNS $(PY) -m pytest -q -p tests.forked -n $(TESTERS) --dist loadfile --nbval-lax notebooks && \
	$(PY) -m pytest -q -p tests.forked -n $(TESTERS) --dist loadfile --nbval book/executed

test-fast: $(ENV)  ## every room's tests that cost little, in about two minutes; `make test` is complete
	@$(PY) -m pytest -q -p no:nbval -p no:logging -p tests.forked -n $(JOBS) --dist worksteal -m "not slow" tests

test-processors: $(ENV)  ## tests of exact numbers under settings that imitate other processors, about a minute
	@$(PY) -m tests.processors

faults: $(ENV)  ## random inputs and kills, a few minutes; prints counts (FAULTS=1000 inputs for each reader)
	@$(PY) -m benchmarks.faults $(or $(FAULTS),300)

bench: $(ENV)  ## speed beside torchvision and faiss, in one run
	@$(RUN) bench --device "$(DEVICE)"

clean:  ## remove builds and runs, notebooks of `make notebook` among them; the ledger and the environment stay
	rm -rf _build dist runs .pytest_cache .ruff_cache
