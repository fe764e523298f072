#!/bin/bash
# The kubectl plugin as one static program, packed with its licence as krew installs it:
# target/plugin/kubectl-sealwright-v<version>-linux-<architecture>.tar.gz. Needs rustup and musl-gcc (Debian: musl-tools).
set -euo pipefail
cd -- "$(dirname -- "$0")/.."
case $(uname -m) in
x86_64) architecture=amd64 ;;
aarch64) architecture=arm64 ;;
*)
  echo "there is no archive for $(uname -m): build it with make plugin" >&2
  exit 1
  ;;
esac
target="$(uname -m)-unknown-linux-musl"
command -v musl-gcc >/dev/null || {
  echo "musl-gcc is missing: install musl-tools" >&2
  exit 1
}
rustup --quiet target add "$target"
cargo build --locked --release --package kubectl-sealwright --target "$target"
version=$(cargo metadata --no-deps --format-version=1 |
  python3 -c 'import json, sys; print(next(p["version"] for p in json.load(sys.stdin)["packages"] if p["name"] == "kubectl-sealwright"))')
program=target/$target/release/kubectl-sealwright
if readelf --program-headers "$program" | grep --quiet INTERP; then
  echo "$program is not static" >&2
  exit 1
fi
mkdir -p target/plugin
archive=target/plugin/kubectl-sealwright-v$version-linux-$architecture.tar.gz
tar --create --gzip --file="$archive" --owner=0 --group=0 \
  --directory="$(dirname "$program")" kubectl-sealwright --directory="$PWD" LICENSE
sha256sum "$archive"
