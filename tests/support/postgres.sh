# A PostgreSQL server that lives exactly as long as our standard input is open: however the tests end, it goes away.
# Arguments: the folder of PostgreSQL's programs, and an empty folder of our own.
bin=$1
dir=$2
log=$dir/log
# Options of the server, once somebody orders something.
more=

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
        -c fsync=off -c full_page_writes=off -c synchronous_commit=off $more" >/dev/null || { cat "$log" >&2; exit 1; }
}

start
echo ready
# What a test of its own server may have it do.
while read -r order; do
    case $order in
        stop) "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null ;;
        start) start ;;
        # From now on it listens on that port of localhost too, where connections may be encrypted.
        encrypt*)
            printf '%s' "$SERVER_CERTIFICATE" >server.pem
            (umask 077 && printf '%s' "$SERVER_KEY" >server-key.pem)
            more="-c listen_addresses=localhost -c port=${order#encrypt } -c ssl=on \
                -c ssl_cert_file='$dir/server.pem' -c ssl_key_file='$dir/server-key.pem'"
            "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop >/dev/null
            start
            ;;
    esac
    echo done
done
