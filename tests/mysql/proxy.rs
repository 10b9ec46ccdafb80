//! A socket between the client and the server, which lets a number of statements through and then no more: what the next
//! one would have been is where the client is killed. Or some are answered as if they had been interrupted (KILL QUERY).

use std::io::{Read, Write};
use std::ops::Range;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

pub(crate) struct Proxy {
    _folder: tempfile::TempDir,
    path: PathBuf,
    passed: Arc<AtomicUsize>,
    kills: Arc<AtomicUsize>,
    stopped: Receiver<()>,
}

#[allow(dead_code)] // Each test binary uses its own part of this.
impl Proxy {
    /// Before the server on this socket; `let_through` statements pass, counted over all connections.
    pub(crate) fn new(server: &str, let_through: usize) -> Self {
        Self::with(server, let_through, 0..0)
    }

    /// The same, where these statements are interrupted before they do anything.
    pub(crate) fn interrupting(server: &str, statements: Range<usize>) -> Self {
        Self::with(server, usize::MAX, statements)
    }

    fn with(server: &str, let_through: usize, interrupted: Range<usize>) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("triggerctl-proxy-")
            .tempdir()
            .unwrap();
        let path = folder.path().join("s");
        let listener = UnixListener::bind(&path).unwrap();
        let (passed, (sender, stopped)) = (Arc::new(AtomicUsize::new(0)), channel());
        let kills = Arc::new(AtomicUsize::new(0));
        let (server, counter) = (server.to_owned(), Arc::clone(&passed));
        let seen = Arc::clone(&kills);
        std::thread::spawn(move || {
            while let Ok((client, _)) = listener.accept() {
                let server = UnixStream::connect(&server).unwrap();
                let (mut answers, mut to_client) =
                    (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || {
                    let _ = std::io::copy(&mut answers, &mut to_client);
                    let _ = to_client.shutdown(std::net::Shutdown::Both);
                });
                let (counter, sender) = (Arc::clone(&counter), sender.clone());
                let (interrupted, seen) = (interrupted.clone(), Arc::clone(&seen));
                std::thread::spawn(move || {
                    pass(
                        client,
                        server,
                        (let_through, &interrupted),
                        (&counter, &seen),
                        &sender,
                    );
                });
            }
        });
        Self {
            _folder: folder,
            path,
            passed,
            kills,
            stopped,
        }
    }

    pub(crate) fn socket(&self) -> String {
        self.path.display().to_string()
    }

    /// How many statements have passed.
    pub(crate) fn passed(&self) -> usize {
        self.passed.load(Ordering::SeqCst)
    }

    /// Whether a statement has come that does not pass any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.try_recv().is_ok()
    }

    /// Wait until a statement does not pass any more.
    pub(crate) fn wait(&self) {
        self.stopped
            .recv_timeout(Duration::from_secs(30))
            .expect("the client comes that far");
    }

    /// How many of them were to stop another.
    pub(crate) fn kills(&self) -> usize {
        self.kills.load(Ordering::SeqCst)
    }
}

fn pass(
    mut client: UnixStream,
    mut server: UnixStream,
    (let_through, interrupted): (usize, &Range<usize>),
    (counter, kills): (&AtomicUsize, &AtomicUsize),
    stopped: &Sender<()>,
) {
    // COM_QUERY, COM_STMT_PREPARE and COM_STMT_EXECUTE.
    const STATEMENTS: [u8; 3] = [0x03, 0x16, 0x17];
    let mut header = [0; 4];
    while client.read_exact(&mut header).is_ok() {
        let length = u32::from_le_bytes([header[0], header[1], header[2], 0]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        if client.read_exact(&mut payload).is_err() {
            break;
        }
        // Commands begin a new sequence; all else is of the handshake.
        let is_statement = payload
            .first()
            .is_some_and(|command| STATEMENTS.contains(command));
        if header[3] == 0 && is_statement {
            if counter.load(Ordering::SeqCst) >= let_through {
                let _ = stopped.send(());
                // Until the client is gone.
                let _ = client.read(&mut header);
                break;
            }
            kills.fetch_add(
                usize::from(payload.starts_with(b"\x03KILL")),
                Ordering::SeqCst,
            );
            let number = counter.fetch_add(1, Ordering::SeqCst);
            if interrupted.contains(&number) {
                // The server's error 1317, with its length and the number of the packet before it.
                let mut packet = b"\xff\x25\x05#70100Query execution was interrupted".to_vec();
                let length = u8::try_from(packet.len()).unwrap();
                packet.splice(0..0, [length, 0, 0, 1]);
                if client.write_all(&packet).is_err() {
                    break;
                }
                continue;
            }
        }
        if server
            .write_all(&header)
            .and_then(|()| server.write_all(&payload))
            .is_err()
        {
            break;
        }
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}
