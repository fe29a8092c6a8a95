use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::AbortHandle;

/// A network between a client and a server on this machine, whose faults a test sets.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<watch::Sender<Network>>,
    listener: AbortHandle,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    fault: Fault,
    delay: Duration,
    /// Counts up: connections made before are reset.
    resets: u64,
    /// From where a client says this, it gets no answers.
    unanswered: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// Bytes are lost without an error: the other end seems to be there, and silent.
    HalfOpen,
    /// Connections are refused: accepted, and reset.
    Cut,
    /// Connections that ask for notices are reset; others work.
    NoNotices,
    /// Connections that ask for notices, or did, fall silent; others work.
    SilentNotices,
}

impl Proxy {
    /// To this port of this machine, without a fault.
    pub async fn to(port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let own = listener.local_addr().unwrap().port();
        let network = Network { fault: Fault::None, delay: Duration::ZERO, resets: 0, unanswered: None };
        let network = Arc::new(watch::Sender::new(network));
        let listener = tokio::spawn(serve(listener, port, Arc::clone(&network))).abort_handle();
        Self { port: own, network, listener }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Bytes come through, on new connections and on those that were there all along.
    pub fn mend(&self) {
        self.change(|network| {
            (network.fault, network.delay, network.unanswered) = (Fault::None, Duration::ZERO, None);
        });
    }

    /// Every lot of bytes takes so long, in each direction.
    pub fn delay(&self, delay: Duration) {
        self.change(|network| network.delay = delay);
    }

    /// Resets every connection; new ones come through.
    pub fn reset(&self) {
        self.change(|network| network.resets += 1);
    }

    /// Resets every connection, and each new one.
    pub fn cut(&self) {
        self.change(|network| (network.fault, network.resets) = (Fault::Cut, network.resets + 1));
    }

    /// Bytes vanish from now on, for ever as far as today's connections go.
    pub fn half_open(&self) {
        self.change(|network| network.fault = Fault::HalfOpen);
    }

    /// Resets every connection that asked for notices (`LISTEN`, `SUBSCRIBE`), or asks from now on. The others
    /// work: the feed of a store is cut, and the store is not.
    pub fn cut_notices(&self) {
        self.change(|network| network.fault = Fault::NoNotices);
    }

    /// As [`cut_notices`](Self::cut_notices), but without an error: bytes of those connections are lost.
    pub fn silence_notices(&self) {
        self.change(|network| network.fault = Fault::SilentNotices);
    }

    /// The next time that a client sends this, it reaches the server, and its answer and all that follow are lost.
    pub fn lose_answers_to(&self, said: &'static str) {
        self.change(|network| network.unanswered = Some(said));
    }

    fn change(&self, change: impl FnOnce(&mut Network)) {
        self.network.send_modify(change);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listener.abort();
        self.reset();
    }
}

async fn serve(listener: TcpListener, port: u16, network: Arc<watch::Sender<Network>>) {
    while let Ok((near, _)) = listener.accept().await {
        let mut network = network.subscribe();
        tokio::spawn(async move {
            let resets = network.borrow_and_update().resets;
            if network.borrow().fault == Fault::Cut {
                reset(&near);
                return;
            }
            let Ok(far) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await else { return };
            let _ = (near.set_nodelay(true), far.set_nodelay(true));
            reset(&near);
            let (from_near, to_near) = near.into_split();
            let (from_far, to_far) = far.into_split();
            let mut over = network.clone();
            let said = Said::default();
            let is_over = |network: &Network| {
                network.resets != resets
                    || network.fault == Fault::NoNotices && said.asked_for_notices.load(Ordering::SeqCst)
            };
            tokio::select! {
                () = pass(from_near, to_far, network.clone(), &said, true) => {}
                () = pass(from_far, to_near, network, &said, false) => {}
                _ = over.wait_for(is_over) => {}
            }
        });
    }
}

/// Closing it sends a reset instead of an end.
fn reset(stream: &TcpStream) {
    let _ = stream.set_zero_linger();
}

/// What a client said, as far as its connection's fate depends on it.
#[derive(Default)]
struct Said {
    asked_for_notices: AtomicBool,
    /// What is lost the answers to.
    unanswered: AtomicBool,
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut network: watch::Receiver<Network>,
    said: &Said,
    by_client: bool,
) {
    let mut bytes = vec![0; 64 * 1024];
    let mut lost = false;
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let Network { fault, delay, unanswered, .. } = *network.borrow_and_update();
        if asks_for_notices(&bytes[..read]) {
            said.asked_for_notices.store(true, Ordering::SeqCst);
        }
        if by_client && unanswered.is_some_and(|words| has(&bytes[..read], words)) {
            said.unanswered.store(true, Ordering::SeqCst);
        }
        let is_change = said.asked_for_notices.load(Ordering::SeqCst);
        if is_change && fault == Fault::NoNotices {
            return;
        }
        lost |= fault == Fault::HalfOpen || is_change && fault == Fault::SilentNotices;
        if lost || !by_client && said.unanswered.load(Ordering::SeqCst) {
            continue;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    if lost || network.borrow().fault == Fault::HalfOpen {
        // The end of the connection is not passed on either.
        std::future::pending::<()>().await;
    }
}

/// In the words of PostgreSQL or Redis.
fn asks_for_notices(bytes: &[u8]) -> bool {
    has(bytes, "LISTEN \"") || has(bytes, "SUBSCRIBE\r\n")
}

fn has(bytes: &[u8], words: &str) -> bool {
    bytes.windows(words.len()).any(|window| window.eq_ignore_ascii_case(words.as_bytes()))
}
