# Everything that a fresh machine needs: `make demo` and `make test` install what they use into .venv.
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
DEMO := demo
# Every process of mai reads compiled bytecode, whatever the environment says: without it each one compiles half a second of sources.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo fast test check docs site bench bench-text hosts fidelity gallery learn pictures playground recordings data-sets format clean

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/train: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) "torch==$$(sed -n 's/^torch==//p' constraints.txt)"
	$(PIP) -e '.[train]'
	@touch $@

$(VENV)/dev: $(VENV)/train
	$(PIP) -e '.[train,dev,docs]'
	@touch $@

$(VENV)/bench: $(VENV)/dev
	$(PIP) -e '.[train,dev,bench]'
	$(PIP) --no-deps onnxruntime-genai
	@touch $@

# What the tests of JavaScript hosts need. They are skipped where there is no npm.
$(VENV)/hosts/installed: tests/hosts/package.json
	@mkdir -p $(@D) && cp $< $(@D)
	@if npm install --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent; then touch $@; \
	else echo "no onnxruntime-web from npm: the tests of JavaScript hosts are skipped"; fi

# What the playground is built of, and what drives it in tests. There is none where there is no npm.
$(VENV)/playground/installed: compiler/playground/package.json
	@mkdir -p $(@D) && cp $< $(@D)
	@if npm install --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent; then touch $@; \
	else echo "no npm: the playground cannot be built here, and its tests are skipped"; fi

# Two more environments, of what runs compiled files and nothing else: the lowest ONNX Runtime that pyproject.toml allows, and the
# newest that there is.
LOWEST := $(shell sed -n 's/.*"onnxruntime>=\([0-9.]*\);.*/\1/p' pyproject.toml)
$(VENV)/lowest/installed: ONNXRUNTIME := onnxruntime==$(LOWEST)
$(VENV)/newest/installed: ONNXRUNTIME := onnxruntime
$(VENV)/lowest/installed $(VENV)/newest/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	grep -v '^onnxruntime' constraints.txt > $(@D)/constraints.txt
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-compile -c $(@D)/constraints.txt \
	  '$(ONNXRUNTIME)' numpy pydantic rich typer tokenizers
	@touch $@

# What builds the site, without torch. Diagrams are drawn where there is npm, and shown as text elsewhere.
$(VENV)/site/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  $$(sed -n 's/^docs = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",')
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@mkdir -p build && npm install --prefix $(@D) --ignore-scripts --no-audit --no-fund --silent mermaid@11.17.2 \
	  && cp $(@D)/node_modules/mermaid/dist/mermaid.min.js build || echo "no mermaid from npm: diagrams are shown as text"
	@touch $@

demo: $(VENV)/train  ## train a flow, compile its sampler to one ONNX file, sample from it, save a picture
	$(BIN)/mai train examples/moons_flow.mai --out $(DEMO)
	$(BIN)/mai info $(DEMO)/moons_flow.sample.onnx
	$(BIN)/mai run $(DEMO)/moons_flow.sample.onnx --batch 2000 --seed 0 --out $(DEMO)/moons.png
	$(BIN)/mai run $(DEMO)/moons_flow.path.onnx --batch 300 --seed 0 --out $(DEMO)/moons_path.png
	$(BIN)/mai page $(DEMO)/moons_flow.sample.onnx $(DEMO)/moons_flow.path.onnx $(DEMO)/moons_flow.log_density.onnx --out $(DEMO)/moons.html
	@echo "look at $(DEMO)/moons.png and $(DEMO)/moons_path.png; $(DEMO)/moons.html runs the files in a browser"

fast: $(VENV)/dev  ## run the tests without the slow ones: some 80 seconds on two cores
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow"

test: $(VENV)/dev $(VENV)/hosts/installed $(VENV)/playground/installed $(VENV)/lowest/installed $(VENV)/newest/installed  ## run all tests
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(VENV)/dev  ## style and types
	$(BIN)/ruff check spec compiler runtime tests benchmarks docs/site
	$(BIN)/ruff format --check spec compiler runtime tests benchmarks docs/site
	$(BIN)/mypy -p mai

format: $(VENV)/dev  ## put the style right
	$(BIN)/ruff check --fix spec compiler runtime tests benchmarks docs/site
	$(BIN)/ruff format spec compiler runtime tests benchmarks docs/site

docs: $(VENV)/dev  ## write every generated page and golden file anew
	$(BIN)/python -m mai.compiler.pages
	$(BIN)/python -m pytest --update-golden tests/diagnostics

site: $(VENV)/site/installed  ## build the pages of the documentation into build/site; open build/site/index.html
	NO_MKDOCS_2_WARNING=1 PYTHONPATH=. $(VENV)/site/bin/python -m mkdocs build --quiet --strict -f docs/site/mkdocs.yml
	@echo "look at build/site/index.html"

PLAYED := moons_flow mlp two_layer
playground: $(VENV)/dev $(VENV)/playground/installed  ## build the playground into build/playground, with the pages of some examples, which it trains
	@for name in $(PLAYED); do test -d runs/gallery/$$name || test -d runs/playground/$$name || \
	  $(BIN)/mai train examples/$$name.mai --out runs/playground/$$name || exit 1; done
	$(BIN)/python -m mai.compiler.playground build/playground --modules $(VENV)/playground/node_modules --runs runs/gallery runs/playground
	@echo "see it: $(BIN)/python -m http.server --directory build/playground"

recordings: playground  ## record the playground as a person sees it, into docs/recordings: a minute, with Chromium
	$(BIN)/python -m docs.site.record build/playground

bench: $(VENV)/dev $(VENV)/hosts/installed $(VENV)/playground/installed  ## measure against rivals in one run
	$(BIN)/python -m benchmarks.samplers.sampler
	$(BIN)/python -m benchmarks.samplers.two_threads
	$(BIN)/python -m benchmarks.samplers.guided
	$(BIN)/python -m benchmarks.samplers.adaptive
	$(BIN)/python -m benchmarks.training
	$(BIN)/python -m benchmarks.loading
	$(BIN)/python -m benchmarks.recurrences
	$(BIN)/python -m benchmarks.twins.mamba_token
	$(BIN)/python -m benchmarks.building
	$(BIN)/python -m benchmarks.hosts
	$(BIN)/python -m benchmarks.editor.server
	$(BIN)/python -m benchmarks.editor.playground
	$(BIN)/python -m benchmarks.samplers.cuda

hosts: $(VENV)/dev  ## run every export of every example in twelve engines, which it installs, into docs/hosts.md
	nice -n 10 $(BIN)/python -m benchmarks.hosts_matrix

fidelity: $(VENV)/dev  ## measure what mathematics says of every system, into docs/fidelity.md
	$(BIN)/python -m benchmarks.fidelity

gallery: $(VENV)/dev  ## train every example and draw it, into examples/README.md: hours the first time
	$(BIN)/python -m benchmarks.gallery

learn: $(VENV)/dev  ## run the page of the first steps as a reader does, and keep its pictures: some minutes
	$(BIN)/python -m docs.site.code docs/learn.md

pictures: $(VENV)/dev  ## draw each kind of picture, into docs/pictures.md: a minute
	$(BIN)/python -m benchmarks.pictures

data-sets: $(VENV)/dev  ## train on public data sets, which it installs, beside scikit-learn, into docs/data_sets.md
	$(PIP) -e '.[train,dev,data-sets]'
	nice -n 10 $(BIN)/python -W ignore -m benchmarks.data_sets

bench-text: $(VENV)/bench  ## measure text generation against rivals, which it installs
	$(BIN)/python -m benchmarks.texts.text
	$(BIN)/python -m benchmarks.texts.speculation

clean:  ## remove what was made here
	rm -rf $(VENV) $(DEMO) runs build dist *.egg-info src/*.egg-info
