use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

/// A request to be written byte by byte: nothing is checked, added or put in order but `host` and the body's framing.
#[derive(Clone, Debug)]
pub struct Call {
    method: String,
    target: String,
    host: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Sent,
}

#[derive(Clone, Debug)]
enum Sent {
    Nothing,
    Whole(Vec<u8>),
    Chunked(Vec<u8>, usize),
    /// A `content-length`, and not a byte after the head.
    Announced(u64),
}

/// A GET of this target.
pub fn get(target: &str) -> Call {
    Call::new("GET", target)
}

/// A POST to this target.
pub fn post(target: &str) -> Call {
    Call::new("POST", target)
}

impl Call {
    /// Any method, any target.
    pub fn new(method: &str, target: &str) -> Self {
        let (method, target, host) = (method.to_owned(), target.to_owned(), "app.test".to_owned());
        Self { method, target, host, headers: Vec::new(), body: Sent::Nothing }
    }

    /// Another host than `app.test`.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.to_owned();
        self
    }

    /// Adds a header; again for a second one of that name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// Who asks, for worlds whose subjects come from the trusted header.
    #[must_use]
    pub fn user(self, user: &str) -> Self {
        self.header("x-user", user)
    }

    /// A body with its length.
    #[must_use]
    pub fn body(mut self, body: impl AsRef<[u8]>) -> Self {
        self.body = Sent::Whole(body.as_ref().to_vec());
        self
    }

    /// A body in chunks of so many bytes.
    #[must_use]
    pub fn chunked(mut self, body: impl AsRef<[u8]>, chunk: usize) -> Self {
        self.body = Sent::Chunked(body.as_ref().to_vec(), chunk);
        self
    }

    /// Announces a body, and sends none.
    #[must_use]
    pub fn announced(mut self, length: u64) -> Self {
        self.body = Sent::Announced(length);
        self
    }

    /// Sends it on a connection of its own and reads the answer.
    pub async fn send(self, address: SocketAddr) -> Response {
        let mut wire = Wire::open(address).await;
        let head_only = self.method == "HEAD";
        wire.write(&self.bytes()).await;
        wire.response(head_only).await
    }

    /// The same, from this address of this machine: all of 127.0.0.0/8 are.
    pub async fn send_from(self, from: IpAddr, address: SocketAddr) -> Response {
        let mut wire = Wire::open_from(from, address).await;
        wire.write(&self.bytes()).await;
        wire.response(self.method == "HEAD").await
    }

    /// What is written.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} HTTP/1.1\r\nhost: {}\r\n", self.method, self.target, self.host).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value);
            bytes.extend_from_slice(b"\r\n");
        }
        match &self.body {
            Sent::Nothing => bytes.extend_from_slice(b"\r\n"),
            Sent::Announced(length) => bytes.extend_from_slice(format!("content-length: {length}\r\n\r\n").as_bytes()),
            Sent::Whole(body) => {
                bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(body);
            }
            Sent::Chunked(body, size) => {
                bytes.extend_from_slice(b"transfer-encoding: chunked\r\n\r\n");
                for chunk in body.chunks(*size) {
                    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                    bytes.extend_from_slice(chunk);
                    bytes.extend_from_slice(b"\r\n");
                }
                bytes.extend_from_slice(b"0\r\n\r\n");
            }
        }
        bytes
    }
}

/// A connection, to write any bytes at any pace.
#[derive(Debug)]
pub struct Wire {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Wire {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Connects with a small send buffer: a large body is not written before the other side reads of it.
    pub async fn open_narrow(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_send_buffer_size(16 * 1024).unwrap();
        let stream = socket.connect(address).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Connects from this address.
    pub async fn open_from(from: IpAddr, address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from, 0)).unwrap();
        let stream = socket.connect(address).await.unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Writes, and says whether the other side still took it: one that has answered may hang up.
    pub async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Writes a chunked body that does not end, until the other side hangs up: how much it took.
    ///
    /// # Errors
    /// How much it took when it was still reading after two minutes.
    pub async fn flood(&mut self) -> Result<u64, u64> {
        let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
        let mut sent = 0_u64;
        let flood = async {
            while self.write(&chunk).await {
                sent += 0x4000;
            }
        };
        let cut = tokio::time::timeout(DEADLINE, flood).await;
        if cut.is_ok() { Ok(sent) } else { Err(sent) }
    }

    /// Reads one answer, past interim ones.
    pub async fn response(&mut self, head_only: bool) -> Response {
        let last = async {
            loop {
                let response = self.read_response(head_only).await;
                if response.status >= 200 {
                    return response;
                }
            }
        };
        tokio::time::timeout(DEADLINE, last).await.expect("no answer in time")
    }

    /// The answer, or `None` when the other side hangs up without one.
    pub async fn answer(&mut self) -> Option<Response> {
        let silent = async { self.read.is_empty() && !self.more().await };
        let silent = tokio::time::timeout(DEADLINE, silent).await.expect("neither an answer nor an end in time");
        if silent { None } else { Some(self.response(false).await) }
    }

    /// Writes, and reads at the same time until an answer of a known length is there, or the other side hangs up: as clients
    /// do that may be answered early. `None` when it hangs up without an answer.
    ///
    /// That it hangs up is not waited for: caddy sometimes keeps a connection open that it has said it closes.
    pub async fn exchange(&mut self, bytes: &[u8]) -> Option<Response> {
        let (mut reader, mut writer) = self.stream.split();
        let read = async {
            while reader.read_buf(&mut self.read).await.is_ok_and(|count| count > 0) && !is_whole(&self.read) {}
        };
        let write = async {
            // Answered early, it may be written no further.
            let _ = writer.write_all(bytes).await;
            std::future::pending::<()>().await;
        };
        let exchange = async {
            tokio::select! {
                () = read => {}
                () = write => {}
            }
        };
        let ended = tokio::time::timeout(DEADLINE, exchange).await;
        assert!(ended.is_ok(), "still open after {} bytes: {:?}", bytes.len(), String::from_utf8_lossy(&self.read));
        self.answer().await
    }

    /// Reads until these bytes have come, and leaves them to be read as an answer.
    pub async fn until(&mut self, bytes: &[u8]) {
        let come = async {
            while find(&self.read, bytes).is_none() {
                assert!(self.more().await, "hung up before: {:?}", String::from_utf8_lossy(&self.read));
            }
        };
        tokio::time::timeout(DEADLINE, come).await.expect("not in time");
    }

    /// Whether an interim answer, a 100 for instance, is the first of what has come.
    pub fn interim(&self) -> bool {
        self.read.starts_with(b"HTTP/1.1 1")
    }

    /// Whether the other side hangs up without another byte.
    pub async fn hangs_up(&mut self) -> bool {
        self.read.is_empty() && !tokio::time::timeout(DEADLINE, self.more()).await.expect("still open")
    }

    /// Reads all that comes, and hangs up after these bytes. Says whether the other side ended in good order: not by a
    /// reset, which may destroy what was not read yet. What came is left to be read as an answer.
    pub async fn ends_well(&mut self, last: &[u8]) -> bool {
        let end = async {
            loop {
                match self.stream.read_buf(&mut self.read).await {
                    Ok(0) => return true,
                    // Closing this side may find the other gone, which is fine.
                    Ok(_) if find(&self.read, last).is_some() => drop(self.stream.shutdown().await),
                    Ok(_) => {}
                    Err(_) => return false,
                }
            }
        };
        tokio::time::timeout(DEADLINE, end).await.expect("still open")
    }

    async fn read_response(&mut self, head_only: bool) -> Response {
        let head_end = loop {
            if let Some(end) = find(&self.read, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(self.more().await, "hung up in the head: {:?}", String::from_utf8_lossy(&self.read));
        };
        let head: Vec<u8> = self.read.drain(..head_end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(':').unwrap())
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let value = |name: &str| headers.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
        let body = if head_only || status < 200 || status == 204 || status == 304 {
            Vec::new()
        } else if let Some(length) = value("content-length") {
            let length: usize = length.parse().unwrap();
            while self.read.len() < length {
                assert!(self.more().await, "hung up in the body");
            }
            self.read.drain(..length).collect()
        } else if value("transfer-encoding").is_some() {
            self.chunks().await
        } else {
            while self.more().await {}
            std::mem::take(&mut self.read)
        };
        Response { status, headers, body }
    }

    async fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let line = loop {
                if let Some(end) = find(&self.read, b"\r\n") {
                    break end;
                }
                assert!(self.more().await, "hung up in a chunk's length");
            };
            let length = usize::from_str_radix(std::str::from_utf8(&self.read[..line]).unwrap(), 16).unwrap();
            while self.read.len() < line + 2 + length + 2 {
                assert!(self.more().await, "hung up in a chunk");
            }
            body.extend_from_slice(&self.read[line + 2..line + 2 + length]);
            self.read.drain(..line + 2 + length + 2);
            if length == 0 {
                return body;
            }
        }
    }

    async fn more(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.read).await, Ok(count) if count > 0)
    }
}

/// An answer as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The status.
    pub status: u16,
    /// Names in lower case, in the order they came.
    pub headers: Vec<(String, String)>,
    /// The body, unframed.
    pub body: Vec<u8>,
}

impl Response {
    /// The one value of a header; a test that meets two is to fail.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(own, _)| own == name).map(|(_, value)| value.as_str());
        let value = values.next();
        assert_eq!(values.next(), None, "{name} came twice");
        value
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8(self.body.clone()).unwrap()
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    /// The `code` of a problem; empty when the body is none.
    pub fn code(&self) -> String {
        let body: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        body.get("code").and_then(Value::as_str).unwrap_or_default().to_owned()
    }

    /// Status, headers and body in one text to compare, without what servers do each in their own way.
    pub fn essence(&self) -> String {
        let mut headers: Vec<_> = self
            .headers
            .iter()
            .filter(|(name, _)| !SERVERS_OWN.contains(&name.as_str()))
            .map(|(name, value)| format!("{name}: {value}\n"))
            .collect();
        headers.sort();
        format!("{}\n{}\n{}", self.status, headers.concat(), String::from_utf8_lossy(&self.body))
    }
}

/// The [`Response::essence`] of a problem in our little app: body and headers to the byte. Every 401 has a challenge.
pub fn problem(
    status: u16,
    code: &str,
    title: &str,
    detail: &str,
    verify_url: Option<&str>,
    extra: &[(&str, &str)],
) -> String {
    let mut headers = vec![
        "cache-control: no-store\n".to_owned(),
        "content-type: application/problem+json\n".to_owned(),
        "x-outer: seen\n".to_owned(),
    ];
    headers.extend(extra.iter().map(|(name, value)| format!("{name}: {value}\n")));
    if status == 401 && !extra.iter().any(|(name, _)| *name == "www-authenticate") {
        let challenge = if code == "delivery_unauthentic" { "Webhook" } else { "Login" };
        headers.push(format!("www-authenticate: {challenge}\n"));
    }
    headers.sort();
    let verify = verify_url.map(|url| format!(",\"verify_url\":\"{url}\"")).unwrap_or_default();
    format!(
        "{status}\n{}\n{{\"type\":\"urn:incode:problem:{code}\",\"title\":\"{title}\",\"status\":{status},\
         \"detail\":\"{detail}\",\"code\":\"{code}\"{verify}}}",
        headers.concat()
    )
}

/// Whether these bytes are an answer whose head says how long it is, to its end.
fn is_whole(read: &[u8]) -> bool {
    let Some(end) = find(read, b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&read[..end]).to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok());
    length.is_some_and(|length| read.len() >= end + 4 + length)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

const SERVERS_OWN: [&str; 5] = ["date", "connection", "content-length", "transfer-encoding", "keep-alive"];
/// Far beyond any answer's time, so that a server that hangs fails a test instead of stopping the run.
const DEADLINE: Duration = Duration::from_secs(120);
