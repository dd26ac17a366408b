//! A fake Alibaba Cloud (OOS, KMS, STS, instance metadata, Kubernetes ServiceAccount read), and the CSI driver's side
//! of the socket.
//!
//! It knows nothing of the provider it tests; above all, its verifier of signatures is written on its own.
//!
//! | module | what it does |
//! |---|---|
//! | [`cloud`] | the handle that tests and the binary hold |
//! | [`gateway`] | one request from arrival to answer |
//! | [`route`], [`service`] | which service and operation a request is for |
//! | [`sign`] | is the signature right, the clock close, the nonce new, the token the key's |
//! | [`api`] | the operations, as functions of state, caller, parameters and time |
//! | [`state`] | accounts, policies, secrets, the instance, the cluster; the state file |
//! | [`world`] | the state, and what the running cloud has issued or used up |
//! | [`oidc`] | the cluster's token issuer, and the verification of tokens |
//! | [`quota`] | request quotas |
//! | [`lint`] | what is odd about a state that is valid |
//! | [`control`] | `/_fake/`: faults, requests, values and time at run time |
//! | [`fault`], [`log`], [`clock`], [`ids`], [`error`] | what goes wrong, what happened, what time it is, made-up names, error shapes |
//! | [`http`] | sockets, TLS, messages |
//! | [`cli`] | the command line of `fake-cloud` |
//! | [`driver`] | the CSI driver's side of the provider's socket |
//! | [`bridge`] | a TCP port in front of that socket, for test tools that speak nothing else |
//! | [`proxy`] | a CONNECT proxy that leads every tunnel to one address |
//! | [`process`] | the provider's binary as a child process |

pub mod api;
pub mod bridge;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod control;
pub mod driver;
pub mod error;
pub mod fault;
pub mod gateway;
pub mod http;
pub mod ids;
pub mod lint;
pub mod log;
pub mod oidc;
pub mod process;
pub mod proxy;
pub mod quota;
pub mod route;
pub mod service;
pub mod sign;
pub mod state;
pub mod world;

pub use cloud::{Builder, FakeCloud, OwnPort, StartError};
pub use error::Dialect;
pub use fault::{CutPoint, Fault, FaultId, FaultRule};
pub use http::server::ConnectionCounts;
pub use http::tls::{CertificateFault, HandshakeFault};
pub use log::RequestRecord;
pub use service::Service;
pub use state::State;
