# varnish in front of an application that is one part of a site: PUBLIC_URL=https://app.example.com/portal
vcl 4.1;

backend app {
    .host = "127.0.0.1";
    .port = "3000";
}

sub vcl_recv {
    # Takes the prefix off. Without this line the application gets the whole path. Both work.
    set req.url = regsub(req.url, "^/portal/", "/");
    return (pass);
}
