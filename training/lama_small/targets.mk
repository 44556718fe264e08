# lama-small. Run from the repository root: make -f training/Makefile lama-train DATA=... RUN=...

LAMA = $(PYTHON) -m training.lama_small
LAMA_RUN ?= $(RUN)/lama-small
LAMA_MINUTES ?= 10
LAMA_STEPS ?= 20000
LAMA_FILE = models/weights/lama-small/lama-small.safetensors
LAMA_EVALUATION ?= --size 256:200 --size 512:64 --slow 32

.PHONY: lama-train lama-export lama-evaluate lama-card

# Continues RUN/lama-small if it is there; LAMA_FLAGS adds options, e.g. "--batch-scale 8 --workers 12" on a large GPU.
lama-train:
	$(LAMA).train --data $(DATA) --out $(LAMA_RUN) --minutes $(LAMA_MINUTES) --steps $(LAMA_STEPS) --licences $(LICENCES) $(LAMA_FLAGS)

lama-export:
	$(LAMA).export $(LAMA_RUN)/best.safetensors $(LAMA_FILE)

# The shipped file beside the classical fills; LAMA_BEFORE=FILE adds earlier weights, CLEANPLATE=BINARY the product's patch fill.
lama-evaluate:
	$(LAMA).evaluate --data $(DATA) --inception $(NSFWJS) --weights lama-small=$(LAMA_FILE) \
		$(if $(LAMA_BEFORE),--weights before=$(LAMA_BEFORE)) $(if $(CLEANPLATE),--patchmatch $(CLEANPLATE)) \
		$(LAMA_EVALUATION) --cache $(RUN)/lama-evaluation --out models/weights/lama-small/evaluation.json --sheet models/weights/lama-small/fills.jpg

# model.toml, from the files that the steps above left; LAMA_NOTE tells what came before these steps.
lama-card:
	$(LAMA).card --data $(DATA) --run $(LAMA_RUN) --folder models/weights/lama-small --licences $(LICENCES) --note "$(LAMA_NOTE)"
