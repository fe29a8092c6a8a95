//! Requests to servers that may be killed while they answer.

use std::net::SocketAddr;
use std::time::Duration;

use incode_tests::{Call, Response};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Sends a request on a connection of its own. `None` when the connection ended before the answer was complete.
pub(crate) async fn ask(address: SocketAddr, call: &Call) -> Option<Response> {
    Line::default().ask(address, call).await
}

/// A connection that is kept.
#[derive(Default)]
pub(crate) struct Line(Option<(SocketAddr, TcpStream)>);

impl Line {
    pub(crate) async fn ask(&mut self, address: SocketAddr, call: &Call) -> Option<Response> {
        let answer = tokio::time::timeout(PATIENCE, self.exchange(address, call)).await;
        let answer = answer.unwrap_or_else(|_| panic!("neither an answer nor an end in {PATIENCE:?}: {call:?}"));
        if answer.as_ref().is_none_or(|answer| answer.header("connection") == Some("close")) {
            self.0 = None;
        }
        answer
    }

    async fn exchange(&mut self, address: SocketAddr, call: &Call) -> Option<Response> {
        if self.0.as_ref().is_none_or(|(known, _)| *known != address) {
            let stream = TcpStream::connect(address).await.ok()?;
            stream.set_nodelay(true).ok()?;
            self.0 = Some((address, stream));
        }
        let (_, stream) = self.0.as_mut()?;
        // One that has answered already may have hung up.
        let _ = stream.write_all(&call.bytes()).await;
        read(stream).await
    }
}

async fn read(stream: &mut TcpStream) -> Option<Response> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
        more(stream, &mut bytes).await?;
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let pair =
        |line: &str| line.split_once(':').map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()));
    let headers: Vec<_> = lines.filter_map(pair).collect();
    let response = Response { status, headers, body: Vec::new() };
    let length = match response.header("content-length") {
        Some(length) => length.parse().ok()?,
        None => {
            assert!(matches!(status, 204 | 304), "an answer without a length: {response:?}");
            0
        }
    };
    while bytes.len() < end + length {
        more(stream, &mut bytes).await?;
    }
    Some(Response { body: bytes[end..end + length].to_vec(), ..response })
}

async fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    matches!(stream.read_buf(bytes).await, Ok(1..)).then_some(())
}

/// Beyond what two calls of the vendor may take, one after the other, with all their attempts.
const PATIENCE: Duration = Duration::from_secs(60);
