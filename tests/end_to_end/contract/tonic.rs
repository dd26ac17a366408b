//! The server against tonic, a gRPC client that nobody here wrote, on one connection over a real Unix socket.

use std::path::Path;
use std::time::Duration;

use csi_provider::grpc::proto::{
    HealthCheckRequest, HealthCheckResponse, MountRequest, MountResponse, ServingStatus, VersionRequest,
    VersionResponse,
};
use csi_provider::server::Settings;
use prost::Message;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

use super::actor::{Stage, stage};

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
fn a_panic_answers_internal_for_that_mount_and_harms_no_other() {
    let stage = stage(Settings::default());
    run(async {
        let mut client = Client::connect(&stage.path).await;
        for _ in 0..3 {
            let status = client.mount("panic:secret", LONG).await.unwrap_err();
            assert_eq!(status.code(), tonic::Code::Internal);
            assert!(!status.message().contains("canary"), "{}", status.message());
        }
        assert_eq!(client.mount("echo:x", LONG).await.unwrap(), b"x");
    });
    assert_eq!(stage.handle.counters().panics.value(), 3);
    assert_eq!(stage.handle.counters().connections.value(), 1);
}

#[test]
fn a_hanging_mount_is_answered_in_time_and_holds_up_nobody() {
    let stage = stage(Settings::default());
    run(async {
        let mut client = Client::connect(&stage.path).await;
        let mut other = client.clone();
        let hanging = tokio::spawn(async move { client.mount("hang", Duration::from_secs(3)).await });
        for _ in 0..50 {
            assert_eq!(other.mount("echo:x", LONG).await.unwrap(), b"x");
        }
        let status = hanging.await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(status.message().contains("timed out"), "{}", status.message());
    });
    assert_eq!(stage.handle.counters().mounts_timed_out.value(), 1);
}

#[test]
fn a_call_that_is_taken_back_frees_its_worker() {
    let stage = stage(Settings {
        workers: 1,
        ..Settings::default()
    });
    run(async {
        let mut client = Client::connect(&stage.path).await;
        for _ in 0..5 {
            let mut hanging = client.clone();
            let call = tokio::spawn(async move { hanging.mount("hang", LONG).await });
            while stage.handle.counters().mounts.value() == stage.handle.counters().mounts_cancelled.value() {
                tokio::task::yield_now().await;
            }
            call.abort(); // tonic sends RST_STREAM
            assert!(call.await.unwrap_err().is_cancelled());
            while stage.handle.counters().mounts.value() != stage.handle.counters().mounts_cancelled.value() {
                tokio::task::yield_now().await;
            }
        }
        // The only worker is free again.
        assert_eq!(client.mount("echo:x", LONG).await.unwrap(), b"x");
    });
}

#[test]
fn overload_reaches_neither_version_nor_health_and_ends_with_a_final_status() {
    let stage = stage(Settings {
        workers: 2,
        queue: 3,
        ..Settings::default()
    });
    run(async {
        let mut client = Client::connect(&stage.path).await;
        let mut hanging = Vec::new();
        for _ in 0..5 {
            let mut client = client.clone();
            hanging.push(tokio::spawn(async move { client.mount("hang", LONG).await }));
        }
        while stage.handle.counters().mounts.value() < 5 || stage.handle.queued_mounts() < 3 {
            tokio::task::yield_now().await;
        }
        let status = client.mount("echo:x", LONG).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(
            status.message().contains("too many mounts"),
            "{}",
            status.message()
        );
        assert_eq!(client.check("").await.unwrap(), 1);
        let request = tonic::Request::new(VersionRequest {
            version: "v1alpha1".to_owned(),
        });
        let version: Result<VersionResponse, _> =
            client.unary("/v1alpha1.CSIDriverProvider/Version", request).await;
        assert_eq!(version.unwrap().version, "v1alpha1");
        hanging.iter().for_each(tokio::task::JoinHandle::abort);
        for call in hanging {
            assert!(call.await.unwrap_err().is_cancelled());
        }
        // Cancelled calls leave the queue, and hold nothing.
        while client.mount("echo:x", LONG).await.is_err() {}
    });
    assert!(stage.handle.counters().mounts_overloaded.value() >= 1);
    stage.holds_nothing();
}

#[test]
fn the_memory_budget_lets_large_responses_pass_one_after_the_other() {
    let stage = stage(Settings {
        memory_budget: 8_000_000,
        ..Settings::default()
    });
    run(async {
        let client = Client::connect(&stage.path).await;
        let mounts: Vec<_> = (0..20)
            .map(|_| {
                let mut client = client.clone();
                tokio::spawn(async move { client.mount("size:3900000", LONG).await.unwrap().len() })
            })
            .collect();
        for mount in mounts {
            assert_eq!(mount.await.unwrap(), 3_900_000);
        }
        let status = client.clone().mount("size:9000000", LONG).await.unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(
            status.message().contains("--memory-budget"),
            "{}",
            status.message()
        );
    });
    stage.holds_nothing();
}

#[test]
fn shutdown_lets_running_mounts_finish_and_answers_the_rest() {
    let stage = stage(Settings::default());
    let counters = stage.handle.counters().clone();
    run(async {
        let mut client = Client::connect(&stage.path).await;
        let mut other = client.clone();
        let hanging = tokio::spawn(async move { other.mount("hang", LONG).await });
        let mut last = client.clone();
        let large = tokio::spawn(async move { last.mount("size:3900000", LONG).await });
        while counters.mounts.value() < 2 {
            tokio::task::yield_now().await;
        }
        let Stage { handle, path, .. } = stage;
        let stopped = tokio::task::spawn_blocking(move || handle.shutdown(Duration::from_millis(300)));
        let status = hanging.await.unwrap().unwrap_err();
        assert_eq!(status.code(), tonic::Code::Internal);
        assert!(status.message().contains("shutting down"), "{}", status.message());
        assert_eq!(large.await.unwrap().unwrap().len(), 3_900_000);
        stopped.await.unwrap();
        assert!(!path.exists());
        assert!(
            client.mount("echo:x", LONG).await.is_err(),
            "nobody listens any more"
        );
    });
}

#[test]
fn a_rolling_update_loses_no_mount() {
    let first = stage(Settings::default());
    let path = first.path.clone();
    run(async {
        let mut client = Client::connect(&path).await;
        let mut other = client.clone();
        let counters = first.handle.counters();
        let hanging = tokio::spawn(async move { other.mount("hang", Duration::from_secs(3)).await });
        while counters.mounts.value() < 1 {
            tokio::task::yield_now().await;
        }
        // The successor takes the name over while the first still serves; then the first drains.
        let second = first.successor();
        let Stage { handle, .. } = first;
        let stopped = tokio::task::spawn_blocking(move || handle.shutdown(Duration::from_secs(30)));
        for number in 0..200 {
            let attributes = format!("echo:{number}");
            let mut result = client.mount(&attributes, LONG).await;
            if result
                .as_ref()
                .is_err_and(|status| status.code() == tonic::Code::Cancelled)
            {
                // tonic gives a call back that it had not sent when GOAWAY arrived; grpc-go sends it elsewhere itself.
                result = client.mount(&attributes, LONG).await;
            }
            assert_eq!(result.unwrap(), number.to_string().as_bytes());
        }
        assert!(
            second.counters().mounts.value() > 0,
            "the successor has taken over"
        );
        let status = hanging.await.unwrap().unwrap_err();
        assert!(
            status.message().contains("timed out"),
            "the first kept its call: {}",
            status.message()
        );
        stopped.await.unwrap();
        assert!(path.exists(), "the socket is the successor's");
        second.shutdown(Duration::ZERO);
        assert!(!path.exists());
    });
}
