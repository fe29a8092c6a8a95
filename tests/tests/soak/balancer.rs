//! Round-robin in front of the replicas: connection by connection, past those that are down. What was sent once is never
//! sent again.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

use crate::fleet::Fleet;

pub(crate) struct Balancer {
    listener: TcpListener,
}

impl Balancer {
    pub(crate) async fn bind() -> Self {
        Self { listener: TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap() }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// Until the task is aborted.
    pub(crate) async fn serve(self, fleet: Arc<Fleet>) {
        let turn = Arc::new(AtomicUsize::new(0));
        while let Ok((near, _)) = self.listener.accept().await {
            let (fleet, turn) = (Arc::clone(&fleet), Arc::clone(&turn));
            tokio::spawn(async move {
                // An error means that the client hung up.
                let _ = pass_on(near, &fleet, &turn).await;
            });
        }
    }
}

async fn pass_on(mut near: TcpStream, fleet: &Fleet, turn: &AtomicUsize) -> std::io::Result<()> {
    near.set_nodelay(true)?;
    // Asked for before a replica is chosen, so that an answer of our own is not lost among unread bytes.
    let mut first = vec![0; 64 * 1024];
    let read = near.read(&mut first).await?;
    let Some(far) = connect(fleet, turn).await else { return near.write_all(NOBODY).await };
    far.set_nodelay(true)?;
    let (mut from_near, mut to_near) = near.into_split();
    let (from_far, mut to_far) = far.into_split();
    let there = async {
        let sent = to_far.write_all(&first[..read]).await;
        if sent.is_ok() {
            let _ = tokio::io::copy(&mut from_near, &mut to_far).await;
            let _ = to_far.shutdown().await;
        }
        // The other direction decides when it is over.
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = there => {}
        answered = back(from_far, &mut to_near) => {
            if !answered {
                to_near.write_all(CUT_OFF).await?;
            }
        }
    }
    Ok(())
}

async fn connect(fleet: &Fleet, turn: &AtomicUsize) -> Option<TcpStream> {
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for next in 0..fleet.slots.len() {
        let Some(address) = fleet.slots[(first + next) % fleet.slots.len()].address() else { continue };
        let connected = tokio::time::timeout(Duration::from_secs(2), TcpStream::connect(address)).await;
        if let Ok(Ok(stream)) = connected {
            return Some(stream);
        }
    }
    None
}

/// Whether a byte came back before the end.
async fn back(mut from: OwnedReadHalf, to: &mut OwnedWriteHalf) -> bool {
    let mut bytes = vec![0; 64 * 1024];
    let mut any = false;
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        any = true;
        if to.write_all(&bytes[..read]).await.is_err() {
            break;
        }
    }
    any
}

const NOBODY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\nx-balancer: nobody is up\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const CUT_OFF: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\nx-balancer: cut off\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
