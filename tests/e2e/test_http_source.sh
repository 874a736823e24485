#!/bin/bash
# The document over http and https, from a server that also fails, lies and falls silent.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

good() { # revision [count]
    document "$1" "$(definition web:1 "$(container app "$sleeper")")" \
        "$(service web web:1 "${2:-1}")"
}

# nginx whose behaviour is switched by files: fail500, limited, loop.
web_start() {
    command -v nginx >/dev/null || skip "nginx is not installed"
    web=$test_dir/web
    port=$(free_port) tls_port=$((port + 10000))
    mkdir -p "$web/root"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 \
        -addext subjectAltName=IP:127.0.0.1 -keyout "$web/key" -out "$web/cert" 2>/dev/null
    cat >"$web/conf" <<NGINX
daemon off; master_process off; pid $web/pid; error_log $web/error; worker_processes 1; user root;
events { worker_connections 64; }
http {
    log_format seen '\$status|\$http_if_none_match|\$http_if_modified_since|\$http_user_agent';
    access_log $web/access seen;
    client_body_temp_path $web/t1; proxy_temp_path $web/t2; fastcgi_temp_path $web/t3;
    uwsgi_temp_path $web/t4; scgi_temp_path $web/t5;
    server {
        listen 127.0.0.1:$port;
        listen 127.0.0.1:$tls_port ssl;
        ssl_certificate $web/cert; ssl_certificate_key $web/key;
        root $web/root;
        location / {
            if (-f $web/fail500) { return 500; }
            if (-f $web/loop) { return 302 http://127.0.0.1:$port/desired.json?again; }
        }
        location /limited { add_header Retry-After 2 always; return 503; }
        location /moved { return 302 http://127.0.0.1:$port/desired.json; }
    }
}
NGINX
    nginx -c "$web/conf" -e "$web/error" &
    web_pid=$!
    eventually 10 "nginx answers" curl -s -o /dev/null "http://127.0.0.1:$port/"
    : >"$web/access"
    desired=$web/root/desired.json
    setting[BERTH_DESIRED_URL]=http://127.0.0.1:$port/desired.json
    setting[BERTH_POLL_INTERVAL]=1s
}

error_says() { # pattern
    berth status -o json 2>/dev/null | jq -r '.desired.lastError // ""' | grep -qiE -- "$1"
}
no_error() {
    status_says '(.desired.lastError // "") == ""'
}
access_says() {
    grep -qE -- "$1" "$web/access"
}

test_fetches_conditionally() {
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    eventually 10 "asked with its ETag, answered 304" access_says '^304\|"?[^|-]'
    expect "the first was whole" access_says '^200\|-\|'
    put_document "$(good 2 2)"
    eventually 10 "the next revision" revision_is 2
    eventually 20 "runs" steady web 2
}

test_a_500_keeps_everything_and_recovers() {
    local before
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    before=$(containers web)
    touch "$web/fail500"
    eventually 15 "the 500 is told" error_says '500'
    put_document "$(good 2 2)"
    rm "$web/fail500"
    eventually 40 "it recovers" revision_is 2
    eventually 5 "no error" no_error
    eventually 20 "both run" steady web 2
    expect "the first was kept" grep -q "$before" <(containers web)
}

test_garbage_is_refused() {
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    put_document '<html>Service temporarily not what you want</html>'
    eventually 10 "told" error_says 'JSON|byte|value'
    expect "1 stays" revision_is 1
    put_document "$(good 2 2)"
    eventually 20 "the next is taken" revision_is 2
}

test_an_older_revision_is_refused() {
    web_start
    put_document "$(good 5)"
    agent_start
    eventually 20 "it runs" steady web 1
    put_document "$(good 4 3)"
    eventually 10 "told" error_says 'revision'
    expect "5 stays" revision_is 5
    equal "one task" 1 "$(containers_all web | wc -l)"
}

test_a_missing_document_changes_nothing() {
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    rm "$desired"
    eventually 10 "404 is told" error_says '404'
    put_document ''
    eventually 20 "an empty body is told" error_says 'empty|JSON|byte|end'
    expect "1 stays" revision_is 1
    equal "it runs on" 1 "$(containers web | wc -l)"
}

test_silence_has_a_deadline_and_blocks_nothing() {
    local began took
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    # The kernel goes on accepting for a stopped server: a connection without an answer.
    kill -STOP "$web_pid"
    began=$(milliseconds)
    expect "status" berth status -o json
    expect "services" berth services -o json
    took=$(($(milliseconds) - began))
    expect "answered at once ($took ms)" [ "$took" -lt 1000 ]
    api POST "/containers/$(containers web)/kill"
    eventually 15 "repairs go on" steady web 1
    eventually 45 "the silence is told" error_says 'time|tim(ed|eout)'
    kill -CONT "$web_pid"
    put_document "$(good 2 2)"
    eventually 60 "and it recovers" revision_is 2
}

test_a_refused_connection_is_told_and_survived() {
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    kill "$web_pid"
    wait "$web_pid" 2>/dev/null
    eventually 15 "told" error_says 'connect|refused'
    equal "it runs on" 1 "$(containers web | wc -l)"
}

test_starts_from_the_stored_document_with_no_network() {
    web_start
    put_document "$(good 3)"
    agent_start
    eventually 20 "it runs" steady web 1
    agent_stop
    kill "$web_pid"
    wait "$web_pid" 2>/dev/null
    for id in $(containers web); do
        api DELETE "/containers/$id?force=1"
    done
    agent_start
    expect "revision 3" revision_is 3
    eventually 20 "it runs from what was stored" steady web 1
}

test_the_validators_survive_a_restart() {
    web_start
    put_document "$(good 1)"
    agent_start
    eventually 20 "it runs" steady web 1
    agent_stop
    : >"$web/access"
    agent_start
    eventually 10 "the first question is conditional" access_says '^304\|"?[^|-]'
    refute "the whole document was fetched again" access_says '^200'
}

test_redirects_are_followed_but_not_for_ever() {
    web_start
    put_document "$(good 1)"
    setting[BERTH_DESIRED_URL]=http://127.0.0.1:$port/moved
    agent_start
    eventually 20 "it runs" steady web 1
    touch "$web/loop"
    eventually 20 "an endless one is told" error_says 'redirect'
}

test_retry_after_is_obeyed() {
    web_start
    setting[BERTH_DESIRED_URL]=http://127.0.0.1:$port/limited
    agent_launch
    eventually 10 "told" error_says '503'
    : >"$web/access"
    # Five of its own intervals, but the server asked for two seconds between two requests.
    throughout 5 "no more than every two seconds" few_requests 3
}

few_requests() {
    [ "$(wc -l <"$web/access")" -le "$1" ]
}

test_tls_is_verified() {
    web_start
    put_document "$(good 1)"
    setting[BERTH_DESIRED_URL]=https://127.0.0.1:$tls_port/desired.json
    agent_launch
    eventually 10 "an unknown certificate is refused" error_says 'certificate|SSL|TLS'
    refute "nothing was taken" revision_is 1
    agent_kill
    setting[BERTH_CA_FILE]=$web/cert
    agent_start
    eventually 20 "trusted by BERTH_CA_FILE" steady web 1
}

test_a_name_server_that_never_answers_blocks_nothing() {
    local began took i
    printf 'nameserver 127.0.0.1\noptions timeout:5 attempts:2\n' >"$test_dir/resolv.conf"
    mount --bind "$test_dir/resolv.conf" /etc/resolv.conf ||
        skip "resolv.conf cannot be replaced here"
    busybox nc -u -l -p 53 >/dev/null &
    setting[BERTH_DESIRED_URL]=http://desired.example.com/desired.json
    agent_launch
    eventually 10 "the agent answers" status_says 'has("version")'
    for i in {1..40}; do
        began=$(milliseconds)
        curl -s -o /dev/null --max-time 5 --unix-socket "$berth_socket" http://d/v1/status ||
            fail "no answer in round $i"
        took=$(($(milliseconds) - began))
        expect "an answer at once ($took ms in round $i)" [ "$took" -lt 500 ]
    done
    eventually 45 "the name is told" error_says 'resolv|desired.example.com'
    umount /etc/resolv.conf
}

test_placeholders_in_the_url_expand() {
    web_start
    mkdir -p "$web/root/e2e"
    desired=$web/root/e2e/$host_id.json
    put_document "$(good 1)"
    setting[BERTH_DESIRED_URL]="http://127.0.0.1:$port/{cluster}/{host}.json"
    agent_start
    eventually 20 "it runs" steady web 1
}

run_tests "$@"
