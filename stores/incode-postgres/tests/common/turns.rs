use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

/// A network between store and server that counts round trips: it holds back what the client sends until the client is
/// silent, passes it on, and then does the same for the server's answers.
#[derive(Debug)]
pub(crate) struct Turns {
    port: u16,
    count: Arc<AtomicU64>,
    listener: AbortHandle,
}

impl Turns {
    pub(crate) async fn before(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        let listener = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
                tokio::spawn(pass(near, far, Arc::clone(&counted)));
            }
        });
        Self { port: own, count, listener: listener.abort_handle() }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Round trips so far, over all connections.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::SeqCst)
    }
}

impl Drop for Turns {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

async fn pass(mut near: TcpStream, mut far: TcpStream, count: Arc<AtomicU64>) {
    let _ = (near.set_nodelay(true), far.set_nodelay(true));
    loop {
        let Some(said) = until_silent(&mut near).await else { return };
        count.fetch_add(1, Ordering::SeqCst);
        if far.write_all(&said).await.is_err() {
            return;
        }
        let Some(answer) = until_silent(&mut far).await else { return };
        if near.write_all(&answer).await.is_err() {
            return;
        }
    }
}

/// Everything up to the first pause. `None` at the end.
async fn until_silent(from: &mut TcpStream) -> Option<Vec<u8>> {
    let (mut all, mut bytes) = (Vec::new(), vec![0; 64 * 1024]);
    let mut read = from.read(&mut bytes).await.ok()?;
    while read > 0 {
        all.extend_from_slice(&bytes[..read]);
        match timeout(PAUSE, from.read(&mut bytes)).await {
            Err(_) => return Some(all),
            Ok(more) => read = more.ok()?,
        }
    }
    None
}

/// Longer than a burst is interrupted for on a busy machine. A burst that is cut counts once more, never less.
const PAUSE: Duration = Duration::from_millis(40);
