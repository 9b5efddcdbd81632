# make lab        open the notebooks in JupyterLab
# make test       check everything: style, types, library, notebooks (trainings cut to
#                 a few steps; make notebooks trains them in full), browser
# make test-slow  run every cell of the longer notebooks twice in one kernel
# make notebooks  execute the notebooks in place, or one: NOTEBOOK=05_googlenet
# make site       the website in build/site, with the network of runs/mine, of RUN=…, or
#                 one that is trained for it; SITE_REPOSITORY=owner/name adds Binder, Colab
#                 and the address of its GitHub pages, SITE_URL=https://… another address
# make bench      measure the speed beside torchvision and others (8 minutes at most)
# make setup      only create .venv, which the others do by themselves
#
# Another Python for the set-up: make lab PYTHON=python3.12
# PyTorch without CUDA, on Linux without a GPU: make lab TORCH=cpu, once

PYTHON ?= python3
VENV_PYTHON := .venv/bin/python
# As many tests at a time as there are cores, four at most, with a thread each: on two
# cores nearly twice as fast as one after the other with two threads. A process that
# crashes ends all: pytest-xdist would wait for ever for what it was to run.
PYTEST := OMP_NUM_THREADS=1 $(VENV_PYTHON) -m pytest -n auto --maxprocesses 4 --max-worker-restart 0
# All tests of a file in one process: a notebook is one file.
BY_FILE := --dist loadfile --no-loadscope-reorder
# JupyterLab refuses to run as root, the usual user of a container, without this.
ROOT := $(if $(filter 0,$(shell id -u)),--allow-root)

.PHONY: lab test test-slow notebooks site bench setup

# Jupyter takes 10 MiB from a widget, less than some photos have: here 200 MiB.
lab: setup
	$(VENV_PYTHON) -m jupyterlab $(ROOT) --ip=127.0.0.1 \
		--LabApp.app_settings_dir=tools/lab_settings \
		--ServerApp.tornado_settings="{'websocket_max_message_size':209715200}" \
		--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb

test: setup
	$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m codespell_lib
	$(VENV_PYTHON) -m mypy
	PYTHONSTARTUP=$(CURDIR)/tests/fast_training.py $(PYTEST) $(BY_FILE) --nbval --nbval-current-env notebooks
	$(PYTEST) $(BY_FILE) tests

test-slow: setup
	$(PYTEST) -m slow tests/notebooks

notebooks: setup
	$(VENV_PYTHON) tools/execute_notebooks.py $(NOTEBOOK)

site: setup
	$(VENV_PYTHON) tools/build_site.py $(if $(RUN),--run $(RUN))

bench: setup
	$(VENV_PYTHON) benchmarks/bench.py
	$(VENV_PYTHON) benchmarks/report.py

setup:
	@command -v $(PYTHON) >/dev/null || { \
		echo "Set-up needs Python 3.11 or newer, but there is no '$(PYTHON)' here:" \
			"install it from your package manager or python.org." >&2; exit 1; }
	@$(PYTHON) tools/setup.py $(TORCH)
