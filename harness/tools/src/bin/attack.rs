//! Hostile and merely greedy clients, and the most memory that the provider takes under each of them.
//!
//! `attack BINARY` starts the provider anew for every attack, lets it run its bounded course, asks as an honest client
//! whether the provider still answers, and reads the highest resident memory from the kernel. It fails if an honest
//! call fails, or past the memory budget and what the process may need beside it.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use harness::FakeCloud;
use harness::driver::{Code, Driver, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};

/// The provider's default budget for requests, values and responses.
const BUDGET_KIB: u64 = 64 * 1024;

/// Code, stacks, connections, tables and what the allocator keeps, all at their bounds.
const BESIDE_KIB: u64 = 24 * 1024;

/// How many frames a flood has, unless the provider ends it before.
const FLOOD: usize = 300_000;

/// Connections of attacks that need many: more than the provider takes.
const CONNECTIONS: usize = 40;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Name, course, and whether it needs the fake cloud's large secret.
type Attack = (&'static str, fn(&Path) -> Outcome<()>);

const ATTACKS: &[Attack] = &[
    ("nothing", |_| Ok(())),
    ("100 volumes of 3.9 MB at once", honest_and_greedy),
    ("responses that nobody takes", slow_readers),
    ("requests that never end", endless_requests),
    ("more data than the windows allow", ignored_windows),
    ("PING flood, answers unread", |socket| {
        flood(socket, &frame(6, 0, 0, &[0; 8]))
    }),
    ("SETTINGS flood, answers unread", |socket| {
        flood(socket, &frame(4, 0, 0, &[]))
    }),
    ("unknown frames", |socket| {
        flood(socket, &frame(0xee, 0, 0, &[0; 64]))
    }),
    ("WINDOW_UPDATE flood", |socket| {
        flood(socket, &frame(8, 0, 0, &1_u32.to_be_bytes()))
    }),
    ("empty DATA frames", empty_data),
    ("padding used up before the window shrinks", padding_before_ack),
    ("rapid reset", rapid_reset),
    ("CONTINUATION flood", continuation),
    ("a header list that unpacks a thousandfold", header_bomb),
    ("connections that say nothing", silence),
    ("bytes that are no HTTP/2", nonsense),
];

fn main() -> Outcome<()> {
    let binary = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: attack BINARY")?);
    let out = &mut std::io::stdout();
    let mut failed = 0;
    for (name, attack) in ATTACKS {
        let world = World::start(&binary)?;
        let socket = world.provider.socket().to_owned();
        let result = attack(&socket).and_then(|()| world.is_well());
        let peak = world.peak_kib()?;
        let verdict = match result {
            Err(error) => format!("FAILED: {error}"),
            Ok(()) if peak > BUDGET_KIB + BESIDE_KIB => "FAILED: too much memory".to_owned(),
            Ok(()) => "ok".to_owned(),
        };
        failed += usize::from(verdict != "ok");
        writeln!(out, "{name:<44} at most {peak:>6} KiB  {verdict}")?;
    }
    writeln!(
        out,
        "attacks: {} passed, {failed} failed (limit {BUDGET_KIB} + {BESIDE_KIB} KiB)",
        ATTACKS.len() - failed
    )?;
    if failed == 0 {
        Ok(())
    } else {
        Err("the provider did not stand".into())
    }
}

struct World {
    _cloud: FakeCloud,
    provider: ProviderProcess,
}

impl World {
    fn start(binary: &Path) -> Outcome<Self> {
        let cloud = FakeCloud::start()?;
        cloud.set_kms_text("large", &"0123456789".repeat(3_000));
        cloud.set_kms_text("small", "small");
        let (id, secret) = cloud.access_key();
        let url = cloud.http_url();
        let provider = ProviderBuilder::new(binary)
            .argument(format!("--kms-endpoint={url}"))
            .argument("--region=cn-hangzhou")
            .argument("--kms-max-pulls-per-second=0")
            .variable("ACCESS_KEY_ID", id)
            .variable("SECRET_ACCESS_KEY", secret)
            .start()?;
        Ok(Self {
            _cloud: cloud,
            provider,
        })
    }

    /// An honest client is served, whatever went before. Like the driver it connects again while the provider is
    /// still busy with taking leave of the others.
    fn is_well(&self) -> Outcome<()> {
        let driver = Driver::new(self.provider.socket());
        let mut tries = 0;
        while let Err(status) = driver.version() {
            tries += 1;
            if tries == 50 || !matches!(status.code(), Code::Unknown | Code::Unavailable) {
                return Err(status.into());
            }
            thread::sleep(Duration::from_millis(100));
        }
        let response = driver.mount(Volume::new([("objects", "- objectName: small\n")]).request())?;
        if response.files.len() == 1 {
            Ok(())
        } else {
            Err("an honest Mount got something else".into())
        }
    }

    fn peak_kib(&self) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.provider.id()))?;
        let line = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:"))
            .ok_or("no VmHWM")?;
        Ok(line.split_whitespace().next().unwrap_or_default().parse()?)
    }
}

fn large_volume() -> Volume {
    let mut objects = String::new();
    for at in 0..130 {
        let _ = writeln!(objects, "- objectName: large\n  objectAlias: file-{at}");
    }
    Volume::new([("objects", objects)])
}

fn honest_and_greedy(socket: &Path) -> Outcome<()> {
    let driver = &Driver::new(socket);
    let failures = thread::scope(|scope| {
        let mounts: Vec<_> = (0..100)
            .map(|at| {
                scope.spawn(move || {
                    let mut volume = large_volume();
                    volume.uid = format!("uid-{at}");
                    driver
                        .mount(volume.request())
                        .map(|response| response.files.len())
                })
            })
            .collect();
        let results = mounts
            .into_iter()
            .map(|mount| mount.join().map_err(|_| "a caller panicked".to_owned()));
        results
            .filter_map(|result| match result {
                Ok(Ok(130)) => None,
                Ok(Ok(files)) => Some(format!("{files} files")),
                Ok(Err(status)) => Some(status.to_string()),
                Err(panic) => Some(panic),
            })
            .collect::<Vec<_>>()
    });
    match failures.first() {
        None => Ok(()),
        Some(first) => Err(format!("{} of 100 Mounts failed, one with: {first}", failures.len()).into()),
    }
}

/// Every connection asks for as much as it may and opens no window.
fn slow_readers(socket: &Path) -> Outcome<()> {
    let message = grpc_message(&prost::Message::encode_to_vec(&large_volume().request()));
    let mut peers = Vec::new();
    for _ in 0..8 {
        // SETTINGS_INITIAL_WINDOW_SIZE (4) = 0
        let mut peer = Peer::open(socket, &[0, 4, 0, 0, 0, 0])?;
        for stream in (1..64).step_by(2) {
            peer.send(&headers(stream, 0x4))?;
            peer.send(&frame(0, 0x1, stream, &message))?;
        }
        peers.push(peer);
    }
    thread::sleep(Duration::from_secs(4));
    Ok(())
}

/// Streams that announce 4 MiB each, send what the windows allow, and wait.
fn endless_requests(socket: &Path) -> Outcome<()> {
    let mut prefix = vec![0];
    prefix.extend_from_slice(&(4_000_000_u32).to_be_bytes());
    let mut peers = Vec::new();
    for _ in 0..CONNECTIONS {
        let Ok(mut peer) = Peer::open(socket, &[]) else {
            continue;
        };
        for stream in (1..400).step_by(2) {
            let sent = peer
                .send(&headers(stream, 0x4))
                .and_then(|()| peer.send(&frame(0, 0, stream, &prefix)));
            if sent.is_err() {
                break;
            }
        }
        for stream in (1..31).step_by(2) {
            let _ = peer.send(&frame(0, 0, stream, &[0; 16_000]));
        }
        peers.push(peer);
    }
    thread::sleep(Duration::from_secs(2));
    Ok(())
}

fn ignored_windows(socket: &Path) -> Outcome<()> {
    let mut peer = Peer::open(socket, &[])?;
    peer.send(&headers(1, 0x4))?;
    for _ in 0..4_000 {
        if peer.send(&frame(0, 0, 1, &[0; 16_384])).is_err() {
            break;
        }
    }
    Ok(())
}

fn flood(socket: &Path, frame: &[u8]) -> Outcome<()> {
    let mut peer = Peer::open(socket, &[])?;
    let burst = frame.repeat(100);
    for _ in 0..FLOOD / 100 {
        if peer.send(&burst).is_err() {
            break;
        }
    }
    Ok(())
}

fn empty_data(socket: &Path) -> Outcome<()> {
    let mut peer = Peer::open(socket, &[])?;
    peer.send(&headers(1, 0x4))?;
    let burst = frame(0, 0, 1, &[]).repeat(100);
    for _ in 0..FLOOD / 100 {
        if peer.send(&burst).is_err() {
            break;
        }
    }
    Ok(())
}

/// Padding takes less than half of the protocol's window, which is more than all of the provider's. After the
/// acknowledgement only the provider can open the stream's window again.
fn padding_before_ack(socket: &Path) -> Outcome<()> {
    let mut peer = Peer::open(socket, &[])?;
    peer.send(&headers(1, 0x4))?;
    let mut padding = vec![127];
    padding.resize(128, 0);
    peer.send(&frame(0, 0x8, 1, &padding).repeat(255))?;
    peer.send(&frame(4, 0x1, 0, &[]))?;
    // Peer::open has read the head of the provider's SETTINGS; three of them follow.
    peer.0.read_exact(&mut [0; 18])?;
    loop {
        let mut head = [0; 9];
        let read = peer.0.read_exact(&mut head);
        read.map_err(|error| format!("the stream's window stays closed: {error}"))?;
        let [_, high, low, kind, _, stream @ ..] = head;
        if kind == 8 && u32::from_be_bytes(stream) == 1 {
            return Ok(());
        }
        peer.0
            .read_exact(&mut vec![0; usize::from(u16::from_be_bytes([high, low]))])?;
    }
}

fn rapid_reset(socket: &Path) -> Outcome<()> {
    let mut peer = Peer::open(socket, &[])?;
    for stream in (1..).step_by(2).take(FLOOD) {
        let mut both = headers(stream, 0x4);
        both.extend(frame(3, 0, stream, &8_u32.to_be_bytes()));
        if peer.send(&both).is_err() {
            break;
        }
    }
    Ok(())
}

fn continuation(socket: &Path) -> Outcome<()> {
    let mut peer = Peer::open(socket, &[])?;
    peer.send(&headers(1, 0))?;
    let more = frame(9, 0, 1, &literal("x", &"y".repeat(1_000)));
    for _ in 0..FLOOD / 10 {
        if peer.send(&more).is_err() {
            break;
        }
    }
    Ok(())
}

/// One large entry for the table, and then thousands of references to it in each block.
fn header_bomb(socket: &Path) -> Outcome<()> {
    let mut block = header_block();
    let mut entry = literal("x", &"y".repeat(3_900));
    entry.splice(..1, [0x40]);
    block.extend(entry);
    block.extend([0xbe; 12_000]);
    for _ in 0..50 {
        let mut peer = Peer::open(socket, &[])?;
        for stream in (1..20).step_by(2) {
            if peer.send(&frame(1, 0x5, stream, &block)).is_err() {
                break;
            }
        }
    }
    Ok(())
}

fn silence(socket: &Path) -> Outcome<()> {
    let peers: Vec<_> = (0..500).map_while(|_| UnixStream::connect(socket).ok()).collect();
    // They are still there: each new connection takes the place of one of them.
    let driver = Driver::new(socket);
    driver.mount(Volume::new([("objects", "- objectName: small\n")]).request())?;
    drop(peers);
    Ok(())
}

fn nonsense(socket: &Path) -> Outcome<()> {
    for size in [1, 23, 24, 25, 100, 10_000, 1_000_000] {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_write_timeout(Some(Duration::from_secs(1)))?;
        // It is refused at the first wrong byte, so most of it cannot be written.
        let _ = stream.write_all(&b"GET / HTTP/1.1\r\n".repeat(size / 16 + 1)[..size]);
    }
    Ok(())
}

/// A client that does as it likes.
struct Peer(UnixStream);

impl Peer {
    fn open(socket: &Path, settings: &[u8]) -> Outcome<Self> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_write_timeout(Some(Duration::from_secs(2)))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        stream.write_all(&frame(4, 0, 0, settings))?;
        // The server's SETTINGS have come: it takes this connection.
        stream.read_exact(&mut [0; 9])?;
        Ok(Self(stream))
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.0.write_all(bytes)
    }
}

/// A frame, RFC 9113 section 4.1.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = length.to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

fn headers(stream: u32, flags: u8) -> Vec<u8> {
    frame(1, flags, stream, &header_block())
}

fn header_block() -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/v1alpha1.CSIDriverProvider/Mount"),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    .iter()
    .flat_map(|(name, value)| literal(name, value))
    .collect()
}

/// A literal header field without indexing, RFC 7541 section 6.2.2.
fn literal(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0];
    for text in [name, value] {
        let length = text.len();
        match u8::try_from(length) {
            Ok(length) if length < 127 => field.push(length),
            _ => {
                field.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    field.push((rest % 128) as u8 | 0x80);
                    rest /= 128;
                }
                field.push(rest as u8);
            }
        }
        field.extend_from_slice(text.as_bytes());
    }
    field
}

fn grpc_message(message: &[u8]) -> Vec<u8> {
    let mut framed = vec![0];
    framed.extend(u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes());
    framed.extend_from_slice(message);
    framed
}
