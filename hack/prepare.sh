#!/bin/bash
# Everything that a run needs and that the cache doesn't have: Debian packages, the
# Go tools and, at the same time (they mostly wait for downloads), the images.
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"
# shellcheck source=hack/console.sh
. "$ROOT/hack/console.sh"

"$ROOT/hack/packages.sh"
"$ROOT/hack/images/archives.sh" databases >/dev/null &
images=$!
trap 'kill $images 2>/dev/null || true' EXIT
"$ROOT/hack/tools/build.sh"
wait $images || fail "the database images could not be made (see above)"
trap - EXIT
"$ROOT/hack/images/archives.sh" addons >/dev/null
