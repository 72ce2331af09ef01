# shellcheck shell=bash
# Throwaway PostgreSQL and Redis servers on free loopback ports, for scripts to
# source. Owns both processes and one temporary directory; nothing of them
# outlives stop_servers, which the sourcing script must run when it exits.
#
# start_servers exports TEST_POSTGRES_URL and TEST_REDIS_URL. PostgreSQL runs
# without fsync unless SWITCHBOARD_TEST_FSYNC=on asks for real durability; for
# that to mean anything, TMPDIR must be on a real disk.

servers=
server_pids=()

# Ports below the kernel's ephemeral range, so that no outgoing connection takes one
# between this check and the server's bind.
free_port() {
    local port
    while port=$((20000 + RANDOM % 12000)) && (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do :; done
    echo "$port"
}

# Waits until a server answers to the given command, or has ended.
answers() {
    local name=$1 pid=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        kill -0 "$pid" 2>/dev/null || server_failed "$name"
        sleep 0.05
    done
}

server_failed() {
    echo "$1 did not start:" >&2
    cat "$servers/log" >&2
    exit 1
}

start_servers() {
    local fsync=${SWITCHBOARD_TEST_FSYNC:-off} postgres_port redis_port
    PATH+=$(printf ':%s' /usr/lib/postgresql/*/bin)

    servers=$(mktemp -d -t switchboard.XXXXXX)
    local as_server=(env -C "$servers")
    # PostgreSQL refuses to run as root.
    if [[ $EUID -eq 0 ]]; then
        chown postgres: "$servers"
        as_server+=(setpriv --reuid=postgres --regid=postgres --init-groups)
    fi

    "${as_server[@]}" initdb --pgdata=postgres --username=postgres --auth=trust \
        --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$servers/log" 2>&1 || server_failed PostgreSQL
    postgres_port=$(free_port)
    cat >>"$servers/postgres/postgresql.conf" <<-CONF
	listen_addresses = '127.0.0.1'
	port = $postgres_port
	unix_socket_directories = '$servers'
	max_connections = 300
	fsync = $fsync
	full_page_writes = $fsync
	synchronous_commit = on
	CONF

    # In process groups of their own, the servers survive a Ctrl-C that is meant for the
    # command beside them. They stay in its session: Linux shares the processors between
    # sessions first, and a priority matters only within one.
    set -m
    "${as_server[@]}" postgres -D postgres >>"$servers/log" 2>&1 &
    server_pids+=($!)
    set +m
    answers PostgreSQL $! pg_isready --host=127.0.0.1 --port="$postgres_port"

    redis_port=$(free_port)
    set -m
    "${as_server[@]}" redis-server --bind 127.0.0.1 --port "$redis_port" \
        --save '' --appendonly no >>"$servers/log" 2>&1 &
    server_pids+=($!)
    set +m
    answers Redis $! redis-cli -h 127.0.0.1 -p "$redis_port" ping

    export TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$postgres_port/postgres"
    export TEST_REDIS_URL="redis://127.0.0.1:$redis_port/"
}

stop_servers() {
    [[ -n $servers ]] || return 0
    local pid
    for pid in "${server_pids[@]}"; do
        # To both servers this signal means: end now, also with clients connected. It is
        # repeated until they end, for a server that was only just starting.
        while kill -INT "$pid" 2>/dev/null; do sleep 0.05; done
    done
    rm -rf "$servers"
    servers=
}
