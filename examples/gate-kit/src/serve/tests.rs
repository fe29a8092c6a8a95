use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use tower::service_fn;

use super::{serve, serve_with_http2};

/// An app that answers every request with "here".
fn start(http2: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let app =
        service_fn(async |_: Request<Incoming>| Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("here")))));
    if http2 {
        tokio::spawn(serve_with_http2(listener, app, std::future::pending()));
    } else {
        tokio::spawn(serve(listener, app, std::future::pending()));
    }
    address
}

/// Everything that comes until the server closes.
fn until_closed(address: SocketAddr, sent: &'static [u8]) -> tokio::task::JoinHandle<Vec<u8>> {
    tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        // Long enough for any machine; the test waits for the close, however late it comes.
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(sent).unwrap();
        let mut read = Vec::new();
        let mut buffer = [0; 1024];
        loop {
            match stream.read(&mut buffer) {
                Ok(0) => return read,
                Ok(length) => read.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return read,
                Err(error) => panic!("not closed: {error}"),
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_no_head_are_closed() {
    let sent: [&'static [u8]; 6] = [
        b"",
        b"P",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx-slow: ",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    let addresses = [start(false), start(true)];
    let closed: Vec<_> =
        addresses.into_iter().flat_map(|address| sent.map(|sent| (sent, until_closed(address, sent)))).collect();
    for (sent, closed) in closed {
        let read = closed.await.unwrap();
        assert!(!read.starts_with(b"HTTP/1.1 200"), "{sent:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_head_is_answered_and_an_idle_connection_closed_after() {
    for http2 in [false, true] {
        let read = until_closed(start(http2), b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let text = String::from_utf8(read).unwrap();
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.contains("\r\n\r\nhere"), "{text}");
    }
}
