//! The server against tonic, a gRPC client that nobody here wrote, on one connection over a real Unix socket.
//! The numbers are those of the driver contract's checklist.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use csi_provider::clock::SystemClock;
use csi_provider::grpc::proto::{
    File, HealthCheckRequest, HealthCheckResponse, MountRequest, MountResponse, ObjectVersion, ServingStatus,
    VersionRequest, VersionResponse,
};
use csi_provider::grpc::{Call, Code, Status};
use csi_provider::secret::Secret;
use csi_provider::server::{self, Handle, Service, Settings};
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

/// Answers as its request says: `echo:…`, `size:N`, `fail:N:…`, `hang`, `panic`.
struct Actor;

impl Service for Actor {
    fn version(&self) -> VersionResponse {
        VersionResponse {
            version: "v1alpha1".to_owned(),
            runtime_name: "actor".to_owned(),
            runtime_version: "0.1.0".to_owned(),
        }
    }

    fn mount(&self, request: MountRequest, call: &Call) -> Result<Secret, Status> {
        let text = request.attributes;
        let contents = match text.split_once(':').unwrap_or((text.as_str(), "")) {
            ("echo", rest) => rest.as_bytes().to_vec(),
            ("size", size) => vec![7; size.parse().unwrap()],
            ("fail", message) => return Err(Status::new(Code::NotFound, message)),
            ("unavailable", message) => return Err(Status::new(Code::Unavailable, message)),
            ("hang", _) => {
                let (sender, receiver) = mpsc::channel();
                call.cancellation.on_cancel(move || sender.send(()).unwrap());
                receiver.recv().unwrap();
                return Err(Status::new(Code::Internal, "cancelled"));
            }
            (other, _) => panic!("canary-{other}"),
        };
        let response = MountResponse {
            object_version: vec![ObjectVersion {
                id: "a".to_owned(),
                version: "1".to_owned(),
            }],
            error: None,
            files: vec![File {
                path: "a".to_owned(),
                mode: 0o644,
                contents,
            }],
        };
        call.reserve(response.encoded_len())?;
        Ok(Secret::new(response.encode_to_vec()))
    }
}

struct Stage {
    handle: Handle,
    path: PathBuf,
    _directory: tempfile::TempDir,
}

fn stage(settings: Settings) -> Stage {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("alibabacloud.sock");
    let socket = server::bind(&path).unwrap();
    let handle = server::serve(socket, Arc::new(Actor), Arc::new(SystemClock), settings).unwrap();
    Stage {
        handle,
        path,
        _directory: directory,
    }
}

#[derive(Clone)]
struct Client(tonic::client::Grpc<Channel>);

impl Client {
    async fn connect(path: &Path) -> Self {
        let path = path.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let path = path.clone();
            async move {
                tokio::net::UnixStream::connect(path)
                    .await
                    .map(hyper_util::rt::TokioIo::new)
            }
        });
        let endpoint = Endpoint::from_static("http://localhost");
        let channel = endpoint.connect_with_connector(connector).await.unwrap();
        Self(tonic::client::Grpc::new(channel).max_decoding_message_size(16 << 20))
    }

    async fn unary<Q, A>(
        &mut self,
        path: &'static str,
        request: tonic::Request<Q>,
    ) -> Result<A, tonic::Status>
    where
        Q: Message + Default + 'static,
        A: Message + Default + 'static,
    {
        self.0.ready().await.unwrap();
        let path = PathAndQuery::from_static(path);
        self.0
            .unary(request, path, ProstCodec::default())
            .await
            .map(tonic::Response::into_inner)
    }

    async fn mount(&mut self, attributes: &str, timeout: Duration) -> Result<Vec<u8>, tonic::Status> {
        let request = MountRequest {
            attributes: attributes.to_owned(),
            ..MountRequest::default()
        };
        let mut request = tonic::Request::new(request);
        request.set_timeout(timeout);
        let response: MountResponse = self.unary("/v1alpha1.CSIDriverProvider/Mount", request).await?;
        Ok(response.files.into_iter().next().unwrap().contents)
    }

    async fn check(&mut self, service: &str) -> Result<i32, tonic::Status> {
        let request = tonic::Request::new(HealthCheckRequest {
            service: service.to_owned(),
        });
        let response: HealthCheckResponse = self.unary("/grpc.health.v1.Health/Check", request).await?;
        Ok(response.status)
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

const LONG: Duration = Duration::from_secs(100);

#[test]
fn version_check_and_mount_on_one_connection() {
    let stage = stage(Settings::default());
    run(async {
        let mut client = Client::connect(&stage.path).await;
        let request = tonic::Request::new(VersionRequest {
            version: "v1alpha1".to_owned(),
        });
        let version: VersionResponse = client
            .unary("/v1alpha1.CSIDriverProvider/Version", request)
            .await
            .unwrap();
        assert_eq!(
            (version.version.as_str(), version.runtime_name.as_str()),
            ("v1alpha1", "actor")
        );
        assert_eq!(client.check("").await.unwrap(), i32::from(ServingStatus::Serving));
        assert_eq!(client.check("v1alpha1.CSIDriverProvider").await.unwrap(), 1);
        assert_eq!(
            client.check("nobody").await.unwrap_err().code(),
            tonic::Code::NotFound
        );
        assert_eq!(client.mount("echo:x", LONG).await.unwrap(), b"x");
        assert_eq!(stage.handle.counters().connections.value(), 1);
    });
    stage.handle.shutdown(Duration::from_secs(1));
    assert!(!stage.path.exists());
}

#[test]
fn contract_item_6_300_requests_with_distinct_timeouts() {
    let stage = stage(Settings::default());
    run(async {
        let mut client = Client::connect(&stage.path).await;
        for number in 0..300 {
            let timeout = LONG + Duration::from_millis(number);
            let contents = client.mount(&format!("echo:{number}"), timeout).await.unwrap();
            assert_eq!(contents, number.to_string().as_bytes());
        }
    });
}

#[test]
fn contract_item_7_1000_requests_of_4_kib() {
    let stage = stage(Settings::default());
    run(async {
        let mut client = Client::connect(&stage.path).await;
        let text = "y".repeat(4096);
        for _ in 0..1000 {
            assert_eq!(
                client.mount(&format!("echo:{text}"), LONG).await.unwrap(),
                text.as_bytes()
            );
        }
    });
}

#[test]
fn contract_item_8_a_large_request_and_a_3_9_mb_response() {
    let stage = stage(Settings::default());
    run(async {
        let mut client = Client::connect(&stage.path).await;
        let text = "z".repeat(1 << 20);
        assert!(client.mount(&format!("echo:{text}"), LONG).await.unwrap() == text.as_bytes());
        assert_eq!(client.mount("size:3900000", LONG).await.unwrap().len(), 3_900_000);
    });
    assert_eq!(stage.handle.budget().used(), 0);
}

#[test]
fn contract_item_11_100_mounts_at_once() {
    let stage = stage(Settings::default());
    run(async {
        let client = Client::connect(&stage.path).await;
        let mounts: Vec<_> = (0..100)
            .map(|number| {
                let mut client = client.clone();
                async move {
                    client
                        .mount(&format!("size:{}", 100_000 + number), LONG)
                        .await
                        .unwrap()
                        .len()
                }
            })
            .collect();
        let mut sizes = Vec::new();
        for mount in mounts.into_iter().map(tokio::spawn).collect::<Vec<_>>() {
            sizes.push(mount.await.unwrap());
        }
        assert_eq!(sizes, (100_000..100_100).collect::<Vec<_>>());
    });
}
