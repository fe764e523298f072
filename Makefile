# Two commands do everything: make demo, make test. `make help` lists the rest.
SHELL := /bin/bash
CLUSTER ?= local
export CLUSTER
ENV := . hack/environment.sh &&

.DEFAULT_GOAL := help
.PHONY: help prepare images operators cluster clean-cluster crds values reference docs plugin plugin-archive lint dependencies spelling test unit e2e ordinary demo bench survive histories clean-cache

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  CLUSTER=local    a cluster on this machine, in Linux namespaces (default; needs root)"
	@echo "  CLUSTER=kind     a kind cluster (needs kind and a container engine; not run by us)"
	@echo "  CLUSTER=current  the cluster of your kubeconfig (with cert-manager)"

prepare: ## Install missing Debian packages, build pinned tools and images
	@hack/prepare.sh

images: prepare ## Build the images of PostgreSQL, the exporter and the operators
	@hack/images/operators.sh

cluster: prepare ## Make the cluster, or complete and repair it
	@hack/cluster/up.sh

operators: ## Compile the operators, put their images into the cluster
	@hack/images/operators.sh --load

clean-cluster: ## Remove the cluster and everything that it left
	@hack/cluster/down.sh

crds: ## Generate charts/crds from the Rust types
	cargo run --quiet --bin crdgen charts/crds

values: ## Generate docs/values.md from the charts' values and schemas
	@$(ENV) UPDATE_GOLDEN=1 cargo test --quiet --workspace --test charts the_page_about_values_is_current

reference: ## Generate docs/reference from the types
	@$(ENV) UPDATE_GOLDEN=1 cargo test --quiet --workspace --test reference the_generated_pages_are_current

docs: ## Build the documentation as a site, in target/book (needs mdbook)
	mdbook build docs

plugin: ## Install the kubectl plugin (kubectl sealwright) into cargo's bin folder
	cargo install --locked --path crates/kubectl-sealwright

plugin-archive: ## The kubectl plugin as one static program, packed for krew (needs musl-tools)
	@hack/plugin_archive.sh

lint: ## Formatting, clippy with warnings denied, charts, alerting rules, shell scripts
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- --deny warnings
	@$(ENV) for chart in charts/*/; do helm lint --quiet "$$chart" || exit 1; done
	@for rules in charts/*/files/alerts.yaml; do promtool check rules "$$rules" >/dev/null || exit 1; done
	@promtool test rules charts/*/files/alerts.test.yaml
	shellcheck --external-sources --source-path=. .ci/run $$(find hack -name '*.sh')

dependencies: ## Licences, advisories, unused dependencies (needs cargo-deny, cargo-machete)
	cargo deny check
	cargo machete

spelling: ## Spelling (needs typos)
	typos

unit: prepare ## All tests that need no cluster; they start an API server of their own
	@$(ENV) cargo test --workspace

e2e: cluster operators ## Tests on the real cluster
	@$(ENV) cargo test --workspace --features e2e/cluster --test behaviour --test disruption --test ordinary -- --test-threads=3

ordinary: cluster operators ## Ordinary inputs on the real cluster, and a table of what the object said; ONLY=<test> runs one, SEED and PAIRS choose pairs
	@hack/ordinary.sh

test: ## All tests, the real cluster included
	@hack/test.sh

demo: ## The story of the README on the real cluster, step by step
	@hack/demo.sh

bench: cluster operators ## Measure operations on the real cluster
	@$(ENV) cargo run --quiet --profile image --bin bench

survive: cluster operators ## Faults during operations on the real cluster, and a table of what they cost; ONLY=<fault> runs one
	@$(ENV) cargo run --quiet --profile image --bin survive

histories: cluster operators ## What clients see while faults happen, judged by Porcupine, and a table; MODE, MEMBERS, RUNS, LENGTH choose
	@hack/histories.sh

clean-cache: ## Remove cached tools and images (they take minutes to make again)
	@$(ENV) rm -rf -- "$$CACHE"
