# varnish in front of one application: varnishd -a :80 -f FILE. TLS is for another proxy in front of it.
# Its log, without the query, because callbacks carry a token there: varnishncsa -F '%h %t "%m %U" %s %b %D'
vcl 4.1;

backend app {
    .host = "127.0.0.1";
    .port = "3000";
    # The longest silence before an answer and within it. A callback needs 25 s at most, a delivery 5 s.
    .first_byte_timeout = 60s;
    .between_bytes_timeout = 60s;
}

sub vcl_recv {
    # varnish has appended the address that the request came from to X-Forwarded-For: INCODE_PROXIES=1.
    # A WebSocket is not a request and an answer.
    if (req.http.upgrade ~ "(?i)websocket") {
        return (pipe);
    }
    # Nothing is kept. If you keep public pages, keep nothing below /incode/, and nothing with Cache-Control: private.
    return (pass);
}

sub vcl_pipe {
    set bereq.http.upgrade = req.http.upgrade;
    set bereq.http.connection = req.http.connection;
}
