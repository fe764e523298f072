#!/bin/bash
set -euo pipefail
# shellcheck source=hack/cluster/kind/kind.sh
. "$(dirname -- "$0")/kind.sh"
for archive in "$@"; do
    step "loaded $(basename "$archive")" kind load image-archive --name "$NAME" "$archive"
done
