# A PostgreSQL server that lives exactly as long as our standard input is open: however the tests end, it goes away.
# Arguments: the folder of PostgreSQL's programs, and an empty folder of our own.
bin=$1
dir=$2
log=$dir/log

cleanup() {
    "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null 2>&1
    cd / && rm -rf "$dir"
}
trap cleanup EXIT
cd "$dir" || exit 1

# A collation other than "C", if this build has one: what depends on the database's own has to show.
init() { "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --no-sync "$@" >"$log" 2>&1; }
init --locale=C --locale-provider=icu --icu-locale=en-US || { rm -rf "$dir/data"; init --locale=C; } || { cat "$log" >&2; exit 1; }

start() {
    "$bin/pg_ctl" -D "$dir/data" -l "$log" -w -t 60 start -o "-k '$dir' -c listen_addresses='' -c max_connections=300 \
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off" >/dev/null || { cat "$log" >&2; exit 1; }
}

start
echo ready
# What a test of its own server may have it do.
while read -r order; do
    case $order in
        stop) "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null ;;
        start) start ;;
    esac
    echo done
done
