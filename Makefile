# What a person types. Each target is a script in scripts/, which can be run directly.
.DEFAULT_GOAL := help
.PHONY: help up test check setup build drill soak fuzz audit forecast screenshots clean

help: ## This list
	@sed -nE 's/^([a-z]+): ## /\1\t/p' Makefile | expand -t 14

up: ## Install what is missing, build, run everything here, print the links
	@exec scripts/up

test: ## All tests, with real Redis, ComfyUI and Chromium
	@exec scripts/test

check: ## Format, lints, fast tests
	@exec scripts/check

setup: ## Install what running and testing need, and nothing more
	@exec scripts/setup test

build: ## Server, worker and site in release
	@scripts/setup run && exec scripts/build

drill: ## Kill and cut everything at random, account for every job: SEED=7 JOBS=300
	@scripts/setup test && exec scripts/drill --seed $(or $(SEED),1) --jobs $(or $(JOBS),300)

fuzz: ## Fuzz what reads bytes from outside: SECONDS_EACH=60 TARGET=paths INPUT=file
	@SECONDS_EACH=$(or $(SECONDS_EACH),60) TARGET=$(TARGET) INPUT=$(INPUT) exec scripts/fuzz

audit: ## Dependencies: known holes, licences, sources
	@exec scripts/audit

soak: ## Let a class work for hours, see whether anything grows: HOURS=8, COMPRESS=1 is real time
	@scripts/setup test && exec scripts/soak --hours $(or $(HOURS),8) $(if $(COMPRESS),--compress $(COMPRESS))

forecast: ## Replay a class: do jobs start when people are told they will?
	@exec scripts/forecast

screenshots: ## Take the documentation's pictures anew
	@exec scripts/screenshots

clean: ## Remove what was built; .tools/ (the set-up) and data/ stay
	@rm -rf target end2end/node_modules end2end/results
