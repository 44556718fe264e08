# sam-small. Run from the repository root: make -f training/Makefile sam-train DATA=... RUN=...

SAM = $(PYTHON) -m training.sam_small
SAM_RUN ?= $(RUN)/sam-small
SAM_MINUTES ?= 90
SAM_RUN_MINUTES ?= 10
SAM_FILE = models/sam-small/sam-small.safetensors

.PHONY: sam-train sam-export sam-evaluate sam-sheet sam-card sam-golden

# Continues SAM_RUN if it is there. SAM_MINUTES is the whole training, SAM_RUN_MINUTES this piece of it; SAM_FLAGS adds options, e.g.
# "--batch 64 --objects 8" on a GPU.
sam-train:
	$(SAM).train --data $(DATA) --trunk $(NSFWJS) --state $(SAM_RUN) --minutes $(SAM_MINUTES) --run-minutes $(SAM_RUN_MINUTES) \
		--licences $(LICENCES) $(SAM_FLAGS)

sam-export:
	$(SAM).export --weights $(SAM_RUN)/average.safetensors --out $(SAM_FILE)

sam-evaluate:
	$(SAM).evaluate --data $(DATA) --weights $(SAM_FILE) --out models/sam-small/evaluation.json

sam-sheet:
	$(SAM).sheet --data $(DATA) --weights $(SAM_FILE) --out models/sam-small

# model.toml, from the files that the steps above left.
sam-card:
	$(SAM).card --data $(DATA) --state $(SAM_RUN) --folder models/sam-small --licences $(LICENCES)

sam-golden:
	$(SAM).golden --out models/sam/golden/sam_small_tiny.safetensors
