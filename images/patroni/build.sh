#!/bin/sh
# Patroni in /opt/patroni: the pinned release with the patches beside this script, on which upstream's own tests are run. Only a
# build stage runs it; nothing of it but /opt/patroni gets into an image.
set -eu
here=$(dirname -- "$0")

# What upstream's tests share, as of an earlier release: Debian keeps it for as long as its own.
SUPPORT=pool/main/p/patroni/patroni_4.0.7.orig.tar.gz
SUPPORT_SHA256=2d53ecc208c99afff180954adb6f0f891e56da0fcd4e1ab84912daab5cf39a7e

export DEBIAN_FRONTEND=noninteractive
apt-get update
apt-get install -y --no-install-recommends patch python3-pytest \
    python3-psycopg2 python3-yaml python3-urllib3 python3-dateutil python3-click python3-prettytable python3-psutil \
    python3-boto3 python3-botocore python3-consul python3-cryptography python3-etcd python3-kazoo python3-pysyncobj \
    python3-pythonjsonlogger

# Pure Python and pinned by hash; its dependencies are Debian packages.
pip install --no-deps --no-build-isolation --require-hashes --no-compile --target /opt/patroni -r "$here/requirements.txt"
for change in "$here"/*.patch; do
    patch --directory=/opt/patroni --strip=1 --fuzz=0 <"$change"
done

# The tests are not in the wheel, which the line above prefers.
mkdir -p /tests && cd /tests
grep -v ydiff "$here/requirements.txt" >source.txt
pip download --no-deps --no-build-isolation --no-binary :all: --require-hashes -r source.txt
tar -xzf patroni-*.tar.gz --strip-components=1 --wildcards 'patroni-*/tests'
# shellcheck disable=SC2016  # apt fills it in
apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' | sort -u | python3 -c '
import sys, urllib.error, urllib.request
for mirror in sys.stdin.read().split():
    try:
        urllib.request.urlretrieve(mirror.rstrip("/") + "/" + sys.argv[1], "support.tar.gz")
        sys.exit()
    except urllib.error.HTTPError as error:
        print(mirror, error)
sys.exit("no mirror has " + sys.argv[1])' "$SUPPORT"
echo "$SUPPORT_SHA256  support.tar.gz" | sha256sum --check
tar -xzf support.tar.gz --strip-components=1 --wildcards 'patroni-*/tests/__init__.py' 'patroni-*/postgres?.yml'
patch --strip=1 --fuzz=0 <"$here/tests.diff"
PYTHONPATH=/opt/patroni PYTHONDONTWRITEBYTECODE=1 python3 -m pytest -q -p no:cacheprovider tests
