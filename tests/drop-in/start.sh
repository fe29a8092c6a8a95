# Apps that use TLS, each built with incode, started and asked once. Read by `run`, which sets `root`, `work` and `failed`.

# Shared, and kept: the apps differ in few crates.
target=${CARGO_TARGET_DIR:-$root/target/drop-in}
started=()

# Ends what was started, by its id, also if a step before failed.
stop() {
    for id in "${started[@]}"; do
        kill "$id" 2>/dev/null && wait "$id" 2>/dev/null || true
    done
    started=()
}

# An authority, a certificate of it for `localhost`, and a vendor that answers over TLS with the file of the path.
start_vendor() {
    mkdir -p "$work/vendor/omni/incode-id"
    cd "$work/vendor"
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes)
    openssl req -x509 "${key[@]}" -keyout ca.key -out ca.pem -subj /CN=authority -days 2 2>/dev/null
    openssl req "${key[@]}" -keyout key.pem -out server.csr -subj /CN=localhost 2>/dev/null
    echo 'subjectAltName=DNS:localhost' >names
    openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out cert.pem -days 2 \
        -extfile names 2>/dev/null
    local body='{"status":"ACTIVE","identityId":"i-1"}'
    printf 'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s' \
        ${#body} "$body" >omni/incode-id/userinfo
    openssl s_server -accept 0 -cert cert.pem -key key.pem -HTTP </dev/null >vendor.log 2>&1 &
    vendor=$!
    trap 'stop; kill "$vendor" 2>/dev/null; rm -rf "$work"' EXIT
    shows vendor.log '^ACCEPT ' "$vendor" || { echo "the vendor did not start"; exit 1; }
    export INCODE_HOST=https://localhost:$(sed -n 's/^ACCEPT .*://p' vendor.log)
    export INCODE_API_KEY=key-of-the-test INCODE_WEBHOOK_AUTH=fetch-back
    export INCODE_STORE=sqlite:$work/app.db RUST_BACKTRACE=0
}

# Waits until a line matches, or the process has ended.
shows() { # file, pattern, process
    until grep -qs "$2" "$1"; do
        kill -0 "$3" 2>/dev/null || return 1
        sleep 0.1
    done
}

# Builds an app. Its crate `incode` is the adapter.
build_app() { # name, main, adapter, features, dependency lines
    local folder=$work/$1
    mkdir -p "$folder/src"
    cat >"$folder/Cargo.toml" <<TOML
[package]
name = "beside-$1"
version = "0.0.0"
edition = "2024"

[dependencies]
incode = { package = "$3", path = "$root/$3", features = ["sqlite"$4] }
tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }
$5

[profile.dev]
debug = false

[workspace]
TOML
    cp "$root/tests/drop-in/start/$2.rs" "$folder/src/main.rs"
    cp "$root/tests/drop-in/start/incode.rs" "$folder/src/"
    (cd "$folder" && CARGO_TARGET_DIR="$target" cargo build --quiet)
}

# The app runs, calls the vendor, and answers one request.
starts() { # name, main, adapter, features, dependency lines
    build_app "$@" || { echo "FAIL $1: does not build"; failed=1; return; }
    cd "$work/vendor"
    rm -f "$work"/app.db*
    "$target/debug/beside-$1" </dev/null >"$1.log" 2>&1 &
    started+=($!)
    local status=none
    if shows "$1.log" '^listening on ' $!; then
        local url
        url=$(sed -n 's/^listening on //p' "$1.log")
        status=$(curl --silent --output /dev/null --write-out '%{http_code}' --noproxy '*' --cacert ca.pem "$url" || true)
    fi
    stop
    # No user is logged in, so the gate answers 401; tonic has no such method, and answers 200 with a gRPC status.
    if [ "$status" = "${6:-401}" ] && grep -q '^the vendor answered' "$1.log"; then
        echo "ok   $1: started, called the vendor, answered"
    else
        echo "FAIL $1: answered $status"
        cat "$1.log"
        failed=1
    fi
}

# The app ends at once with one line that says what to do.
refuses() { # name, main, adapter, features, dependency lines
    build_app "$@" || { echo "FAIL $1: does not build"; failed=1; return; }
    cd "$work/vendor"
    if "$target/debug/beside-$1" </dev/null >"$1.log" 2>&1; then
        echo "FAIL $1: it started"
        failed=1
    elif [ "$(wc -l <"$1.log")" = 1 ] && grep -q 'needs a TLS provider: enable the feature' "$1.log"; then
        echo "ok   $1: refused in one line"
    else
        echo "FAIL $1"
        cat "$1.log"
        failed=1
    fi
}

# Runs one app of the matrix, unless another one was asked for.
case_of() { # expectation, name, main, adapter, features, dependency lines, status
    [ -z "$only" ] || [ "$only" = "$2" ] || return 0
    "$@"
}

axum='axum = "0.8"'
axum_server="$axum
axum-server = { version = \"0.8\", features = [\"tls-rustls\"] }"
actix='actix-web = { version = "4", default-features = false, features = ["macros", "rustls-0_23"] }
rustls = "0.23"'
reqwest="$axum
reqwest = \"0.13\""
reqwest_rustls="$axum
reqwest = { version = \"0.12\", default-features = false, features = [\"rustls-tls\"] }"
tonic='tonic = { version = "0.14", features = ["tls-aws-lc"] }'
axum_07='axum = "0.7"
tower = { version = "0.5", features = ["util"] }'
salvo='salvo = { version = "0.95", default-features = false, features = ["server", "http1", "tower-compat"] }
http-body-util = "0.1"
tower = { version = "0.5", features = ["util"] }'
ring=', "tls-ring"' aws=', "tls-aws-lc-rs"'

start_vendor
# Our default features bring no provider: there the app's own TLS library has installed one, or nothing has.
case_of starts axum-server axum-server incode-tower '' "$axum_server"
case_of starts axum-server-aws axum-server incode-tower "$aws" "$axum_server"
case_of starts actix actix incode-actix '' "$actix"
case_of refuses nothing axum incode-tower '' "$axum"
case_of starts ring axum incode-tower "$ring" "$axum"
case_of starts reqwest reqwest incode-tower "$aws" "$reqwest"
case_of starts reqwest-rustls reqwest incode-tower "$ring" "$reqwest_rustls"
case_of starts tonic tonic incode-tower "$aws" "$tonic" 200
# Frameworks that the extractors are not for. salvo asks for a newer Rust than the others.
case_of starts axum-07 axum-07 incode-tower "$ring" "$axum_07"
case_of starts salvo salvo incode-tower "$ring" "$salvo"
