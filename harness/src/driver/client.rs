//! A blocking client over one kept HTTP/2 connection to a Unix socket.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tokio::runtime::Runtime;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic_prost::ProstCodec;

/// The driver's default limit for one response.
const MAX_RESPONSE_BYTES: usize = 4_194_304;

/// A client with one connection, made by its first call and made again when lost, as the driver's is. Calls block;
/// any number of threads may call at once, all on the same connection.
pub struct Driver {
    runtime: Runtime,
    channel: Channel,
}

/// Cancelled calls that are remembered, and for how long: a soak cancels hundreds a second.
const RESETS_REMEMBERED: usize = 10_000;
/// See above.
const RESET_REMEMBERED: Duration = Duration::from_secs(10);

impl Driver {
    /// A client of the provider that listens on `socket`.
    ///
    /// # Panics
    /// No thread is to be had for the client's runtime.
    pub fn new(socket: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a thread for the client");
        let socket: PathBuf = socket.to_owned();
        let connector = tower::service_fn(move |_: Uri| {
            let socket = socket.clone();
            async move { UnixStream::connect(socket).await.map(TokioIo::new) }
        });
        // The driver's authority is "localhost" since 1.6.
        let channel = runtime.block_on(async {
            Endpoint::from_static("http://localhost")
                // An answer may cross the reset of a cancelled call. This client counts it as a fault of the server
                // once it has forgotten the stream, and closes the connection after 1,024 of them.
                .http2_max_concurrent_reset_streams(RESETS_REMEMBERED)
                .http2_reset_stream_duration(RESET_REMEMBERED)
                .connect_with_connector_lazy(connector)
        });
        Self { runtime, channel }
    }

    /// `v1alpha1.CSIDriverProvider/Version`
    ///
    /// # Errors
    /// The provider's status.
    pub fn version(&self) -> Result<VersionResponse, tonic::Status> {
        let request = VersionRequest {
            version: "v1alpha1".to_owned(),
        };
        self.call(
            "/v1alpha1.CSIDriverProvider/Version",
            request,
            Some(Duration::from_secs(5)),
        )
    }

    /// `v1alpha1.CSIDriverProvider/Mount` with kubelet's deadline of two minutes.
    ///
    /// # Errors
    /// The provider's status.
    pub fn mount(&self, request: MountRequest) -> Result<MountResponse, tonic::Status> {
        self.mount_within(request, Some(Duration::from_secs(120)))
    }

    /// `v1alpha1.CSIDriverProvider/Mount` with a deadline, or without one as drivers up to 1.5 rotate.
    ///
    /// # Errors
    /// The provider's status.
    pub fn mount_within(
        &self,
        request: MountRequest,
        timeout: Option<Duration>,
    ) -> Result<MountResponse, tonic::Status> {
        self.call("/v1alpha1.CSIDriverProvider/Mount", request, timeout)
    }

    /// A Mount that its caller takes back after a while; `None` if that came before the answer.
    ///
    /// # Errors
    /// The provider's status.
    pub fn mount_cancelled_after(
        &self,
        request: MountRequest,
        after: Duration,
    ) -> Option<Result<MountResponse, tonic::Status>> {
        let call = unary(
            self.channel.clone(),
            "/v1alpha1.CSIDriverProvider/Mount",
            request,
            Some(Duration::from_secs(120)),
        );
        // Dropping the call resets its stream.
        self.runtime
            .block_on(async { tokio::time::timeout(after, call).await.ok() })
    }

    /// `grpc.health.v1.Health/Check`
    ///
    /// # Errors
    /// The provider's status.
    pub fn check(&self, service: &str) -> Result<HealthCheckResponse, tonic::Status> {
        let request = HealthCheckRequest {
            service: service.to_owned(),
        };
        self.call(
            "/grpc.health.v1.Health/Check",
            request,
            Some(Duration::from_secs(5)),
        )
    }

    /// Any unary call.
    ///
    /// # Errors
    /// The server's status.
    pub fn call<Q, R>(
        &self,
        path: &'static str,
        message: Q,
        timeout: Option<Duration>,
    ) -> Result<R, tonic::Status>
    where
        Q: prost::Message + Send + Sync + 'static,
        R: prost::Message + Default + Send + Sync + 'static,
    {
        self.runtime
            .block_on(unary(self.channel.clone(), path, message, timeout))
    }
}

async fn unary<Q, R>(
    channel: Channel,
    path: &'static str,
    message: Q,
    timeout: Option<Duration>,
) -> Result<R, tonic::Status>
where
    Q: prost::Message + Send + Sync + 'static,
    R: prost::Message + Default + Send + Sync + 'static,
{
    let mut client = tonic::client::Grpc::new(channel).max_decoding_message_size(MAX_RESPONSE_BYTES);
    client
        .ready()
        .await
        .map_err(|error| tonic::Status::unavailable(error.to_string()))?;
    let mut request = tonic::Request::new(message);
    if let Some(timeout) = timeout {
        request.set_timeout(timeout);
    }
    let codec = ProstCodec::<Q, R>::default();
    client
        .unary(request, PathAndQuery::from_static(path), codec)
        .await
        .map(tonic::Response::into_inner)
}

/// See `proto/v1alpha1/service.proto`; written down a second time so that the two sides can disagree.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct VersionRequest {
    /// `v1alpha1`
    #[prost(string, tag = "1")]
    pub version: String,
}

/// See `proto/v1alpha1/service.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct VersionResponse {
    /// `v1alpha1`
    #[prost(string, tag = "1")]
    pub version: String,
    /// Name of the provider.
    #[prost(string, tag = "2")]
    pub runtime_name: String,
    /// Version of the provider.
    #[prost(string, tag = "3")]
    pub runtime_version: String,
}

/// See `proto/v1alpha1/service.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MountRequest {
    /// JSON object, string to string.
    #[prost(string, tag = "1")]
    pub attributes: String,
    /// JSON object, string to string, or `null`.
    #[prost(string, tag = "2")]
    pub secrets: String,
    /// Where the volume is on the host.
    #[prost(string, tag = "3")]
    pub target_path: String,
    /// JSON number.
    #[prost(string, tag = "4")]
    pub permission: String,
    /// Empty since driver 1.6.
    #[prost(message, repeated, tag = "5")]
    pub current_object_version: Vec<ObjectVersion>,
}

/// See `proto/v1alpha1/service.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct MountResponse {
    /// What was read.
    #[prost(message, repeated, tag = "1")]
    pub object_version: Vec<ObjectVersion>,
    /// A failure beside the gRPC status.
    #[prost(message, optional, tag = "2")]
    pub error: Option<Error>,
    /// Every file.
    #[prost(message, repeated, tag = "3")]
    pub files: Vec<File>,
}

/// See `proto/v1alpha1/service.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct File {
    /// Relative path.
    #[prost(string, tag = "1")]
    pub path: String,
    /// Permission bits.
    #[prost(int32, tag = "2")]
    pub mode: i32,
    /// Contents.
    #[prost(bytes = "vec", tag = "3")]
    pub contents: Vec<u8>,
}

/// See `proto/v1alpha1/service.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ObjectVersion {
    /// Which object.
    #[prost(string, tag = "1")]
    pub id: String,
    /// Its revision.
    #[prost(string, tag = "2")]
    pub version: String,
}

/// See `proto/v1alpha1/service.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Error {
    /// Metric label.
    #[prost(string, tag = "1")]
    pub code: String,
}

/// See `proto/grpc/health/v1/health.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckRequest {
    /// Full service name.
    #[prost(string, tag = "1")]
    pub service: String,
}

/// See `proto/grpc/health/v1/health.proto`.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HealthCheckResponse {
    /// 1 is SERVING.
    #[prost(int32, tag = "1")]
    pub status: i32,
}
