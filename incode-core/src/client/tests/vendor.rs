//! A server of hand-written bytes: plays one script per request and remembers what it was sent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

pub(super) enum Step {
    Send(Vec<u8>),
    Pause(Duration),
    /// Holds the connection open and says nothing more.
    Stall,
    /// Ends the connection with RST instead of FIN.
    Reset,
}

pub(super) struct Vendor {
    port: u16,
    scheme: &'static str,
    state: Arc<State>,
}

struct State {
    scripts: Mutex<std::vec::IntoIter<Vec<Step>>>,
    requests: Mutex<Vec<Recorded>>,
    connections: std::sync::atomic::AtomicUsize,
}

#[derive(Clone, Debug)]
pub(super) struct Recorded {
    pub(super) line: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Recorded {
    /// The only value of the header.
    pub(super) fn header(&self, name: &str) -> &str {
        let mut values = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = values.next().unwrap_or_else(|| panic!("no {name}"));
        assert!(values.next().is_none(), "{name} twice");
        &value.1
    }
}

impl Vendor {
    pub(super) async fn start(scripts: Vec<Vec<Step>>) -> Self {
        Self::listen(scripts, None).await
    }

    pub(super) async fn start_tls(scripts: Vec<Vec<Step>>, acceptor: TlsAcceptor) -> Self {
        Self::listen(scripts, Some(acceptor)).await
    }

    /// Answers each request with the next of these complete responses.
    pub(super) async fn answering(answers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self::start(answers.into_iter().map(|bytes| vec![Step::Send(bytes)]).collect()).await
    }

    pub(super) fn url(&self) -> String {
        format!("{}://localhost:{}", self.scheme, self.port)
    }

    pub(super) fn requests(&self) -> Vec<Recorded> {
        self.state.requests.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.state.connections.load(std::sync::atomic::Ordering::SeqCst)
    }

    async fn listen(scripts: Vec<Vec<Step>>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = if acceptor.is_some() { "https" } else { "http" };
        let state = Arc::new(State {
            scripts: Mutex::new(scripts.into_iter()),
            requests: Mutex::default(),
            connections: 0.into(),
        });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                shared.connections.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
                let (state, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    match acceptor {
                        Some(acceptor) => {
                            if let Ok(mut stream) = acceptor.accept(stream).await {
                                serve(&mut stream, &state).await;
                                let _ = stream.shutdown().await;
                            }
                        }
                        None => {
                            let mut stream = stream;
                            if serve(&mut stream, &state).await {
                                stream.set_zero_linger().unwrap();
                            }
                        }
                    }
                });
            }
        });
        Self { port, scheme, state }
    }
}

pub(super) fn answer(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

pub(super) fn ok(body: &Value) -> Vec<u8> {
    answer("200 OK", "content-type: application/json\r\n", body.to_string())
}

/// True when the connection shall be reset.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, state: &State) -> bool {
    let Some(request) = read_request(stream).await else { return false };
    state.requests.lock().unwrap().push(request);
    let script = state.scripts.lock().unwrap().next().unwrap_or_default();
    for step in script {
        match step {
            Step::Send(bytes) => {
                if stream.write_all(&bytes).await.is_err() {
                    return false;
                }
                let _ = stream.flush().await;
            }
            Step::Pause(wait) => tokio::time::sleep(wait).await,
            Step::Stall => std::future::pending().await,
            Step::Reset => return true,
        }
    }
    false
}

async fn read_request<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Recorded> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.split("\r\n").map(str::to_owned);
    let line = lines.next().unwrap();
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned())).unwrap())
        .collect();
    let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length: usize = length.map_or(0, |(_, value)| value.parse().unwrap());
    while bytes.len() < head_end + 4 + length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
    Some(Recorded { line, headers, body: bytes[head_end + 4..].to_vec() })
}
