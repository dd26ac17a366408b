//! Names that only a name server knows. The C library asks it on the small stack of a lookup; the shipped binary has
//! another C library than this build.

use std::fs;
use std::net::{Ipv4Addr, UdpSocket};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use harness::FakeCloud;
use harness::driver::{Code, Driver, Volume};
use harness::process::{is_root, shipped};

use crate::{BINARY, builder, directory, wrapper};

/// The one name that there is: `kms-vpc.cn-hangzhou.aliyuncs.com`, as it is asked for.
const NAME: &[u8] = b"\x07kms-vpc\x0bcn-hangzhou\x08aliyuncs\x03com\0";

/// As many addresses as an answer of 512 octets has room for.
const ADDRESSES: u8 = 28;

/// Starts a name server at an address of its own; gives that and how often it was asked.
fn name_server() -> (Ipv4Addr, Arc<AtomicU32>) {
    let [.., high, low] = std::process::id().to_be_bytes();
    let address = Ipv4Addr::new(127, 53, high, low);
    let socket = UdpSocket::bind((address, 53)).expect("a name server's port");
    let asked = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        let mut question = [0; 512];
        while let Ok((octets, from)) = socket.recv_from(&mut question) {
            count.fetch_add(1, Ordering::SeqCst);
            // Whoever asked may be gone.
            let _ = socket.send_to(&answer(&question[..octets]), from);
        }
    });
    (address, asked)
}

/// RFC 1035, section 4.
fn answer(question: &[u8]) -> Vec<u8> {
    let name = &question[12..];
    let end = name.iter().position(|octet| *octet == 0).expect("a name") + 1;
    let (is_known, is_ipv4) = (name[..end] == *NAME, name[end..].starts_with(&[0, 1]));
    let addresses = if is_known && is_ipv4 { ADDRESSES } else { 0 };
    let code = if is_known { 0 } else { 3 }; // no such name
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, addresses, 0, 0, 0, 0]);
    answer.extend(&name[..end + 4]);
    for _ in 0..addresses {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
    }
    answer
}

#[test]
fn a_name_server_is_asked() {
    if !is_root() {
        return;
    }
    let (address, asked) = name_server();
    let cloud = FakeCloud::start().expect("cloud");
    let (files, sockets) = (directory(), directory());
    let ca = files.path().join("ca.pem");
    cloud.write_ca(&ca).expect("CA");
    let resolver = files.path().join("resolv.conf");
    fs::write(&resolver, format!("nameserver {address}\n")).expect("resolv.conf");
    let port = cloud.https_address().port();
    for binary in [PathBuf::from(BINARY)].into_iter().chain(shipped()) {
        let line = format!(
            "exec unshare --mount sh -c 'mount --bind {} /etc/resolv.conf && exec {} \"$@\"' sh \"$@\"",
            resolver.display(),
            binary.display()
        );
        let provider = builder(&cloud, &wrapper(files.path(), &line), sockets.path())
            .argument(format!(
                "--kms-endpoint=https://kms-vpc.{{region}}.aliyuncs.com:{port}"
            ))
            .variable("SSL_CERT_FILE", &ca)
            .start()
            .expect("provider");
        let driver = Driver::new(provider.socket());
        let in_region = |region| {
            let volume = Volume::new([("objects", "- objectName: test-kms\n"), ("region", region)]);
            driver.mount(volume.request())
        };
        let before = asked.load(Ordering::SeqCst);
        let response =
            in_region("cn-hangzhou").unwrap_or_else(|status| panic!("{status}\n{}", provider.log()));
        assert_eq!(response.files[0].contents, b"hello from KMS");
        assert!(
            asked.load(Ordering::SeqCst) > before,
            "the name came from elsewhere"
        );

        let status = in_region("cn-nowhere").expect_err("there is no such name");
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(
            status.message().contains("kms-vpc.cn-nowhere.aliyuncs.com"),
            "{status}"
        );
    }
}
