//! One mount without Kubernetes, with the code that serves the driver. The SecretProviderClass and the pod's part of the
//! request come from files and flags.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use prost::Message as _;
use zeroize::Zeroize as _;

use super::hint;
use super::request::{self, Class};
use super::stderr_logger;
use crate::clock::{Clock, SystemClock};
use crate::config::{Cluster, OnceOptions, PodOptions};
use crate::grpc::proto::{MountRequest, MountResponse};
use crate::grpc::{Code, Status};
use crate::logger::Logger;
use crate::mount::Mounter;
use crate::params::{self, Input, Options};
use crate::provider::mounter_for;
use crate::sync::{CallContext, Cancellation};

/// A response whose contents are wiped when it is dropped.
pub(super) struct Wiped(MountResponse);

impl AsRef<MountResponse> for Wiped {
    fn as_ref(&self) -> &MountResponse {
        &self.0
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        for file in &mut self.0.files {
            file.contents.zeroize();
        }
    }
}

/// Mounts a class as often as it is asked to.
pub(super) struct Once {
    class: PathBuf,
    class_name: Option<String>,
    pod: PodOptions,
    token_file: Option<PathBuf>,
    publish_secret: Option<PathBuf>,
    options: Options,
    cluster: Cluster,
    mounter: Mounter,
}

impl From<OnceOptions> for Once {
    /// Sets the log up, too.
    fn from(once: OnceOptions) -> Self {
        let config = once.config;
        if config.verbosity > 0 {
            Logger::install(Arc::new(SystemClock), config.verbosity, config.log_format);
        } else {
            stderr_logger::install();
        }
        for warning in &config.warnings {
            log::warn!("{warning}");
        }
        Self {
            class: once.class,
            class_name: once.class_name,
            pod: once.pod,
            token_file: once.token_file,
            publish_secret: once.publish_secret,
            options: config.options,
            cluster: config.cluster.clone(),
            mounter: mounter_for(*config),
        }
    }
}

impl Once {
    /// Mounts for a pod whose volume is at `target`, where files get `mode` unless the class says otherwise. Reads all
    /// its files again each time.
    pub(super) fn mount(
        &self,
        target: &Path,
        mode: u32,
        input: &mut dyn Read,
        cancellation: &Cancellation,
    ) -> Result<Wiped, String> {
        let class = Class::read(&self.class, self.class_name.as_deref(), input)?;
        let namespace = class
            .namespace_of(&self.pod)
            .unwrap_or_else(|| "default".to_owned());
        // The request that driver 1.6 makes for such a volume.
        let request = MountRequest {
            attributes: class.attributes(&self.pod, &namespace, self.token_file.as_deref(), input)?,
            secrets: request::secrets(self.publish_secret.as_deref(), input)?,
            target_path: target.to_string_lossy().into_owned(),
            permission: mode.to_string(),
            current_object_version: Vec::new(),
        };
        let hint = self.hint(&request);
        let call = CallContext::new(SystemClock.now() + CALL, cancellation.clone());
        let answer = self.mounter.mount(&request, &call);
        let answer = answer.map_err(|status| {
            let hint = hint.filter(|_| status.code == Code::Unauthenticated);
            let hint = hint.map(|hint| format!("\nhint: {hint}"));
            as_in_an_event(&status, &namespace, &self.pod.name) + &hint.unwrap_or_default()
        })?;
        let response = MountResponse::decode(answer.expose());
        response
            .map(Wiped)
            .map_err(|error| format!("cannot decode the response: {error}"))
    }

    /// Which flags to check if authentication fails.
    fn hint(&self, request: &MountRequest) -> Option<String> {
        let input = Input {
            attributes: &request.attributes,
            permission: &request.permission,
        };
        let plan = params::parse(&input, &self.options).ok()?;
        hint::token(&plan, self.token_file.as_deref(), SystemClock.wall())
            .or_else(|| hint::cluster(&plan, &self.cluster))
            .or_else(|| hint::publish_secret(&plan, self.publish_secret.as_deref(), &request.secrets))
    }
}

/// An error as in pod events.
fn as_in_an_event(status: &Status, namespace: &str, pod: &str) -> String {
    let code = go_name(status.code.name());
    let message = &status.message;
    format!(
        "rpc error: code = {code} desc = failed to mount secrets store objects for pod {namespace}/{pod}, err: rpc error: \
         code = {code} desc = {message}"
    )
}

/// `NOT_FOUND` as grpc-go and pod events write it: `NotFound`.
fn go_name(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{first}{}", rest.to_ascii_lowercase())
        })
        .collect()
}

/// kubelet's timeout for a volume.
const CALL: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::grpc::Code;

    #[test]
    fn codes_read_as_in_an_event() {
        for (code, expected) in [
            (Code::NotFound, "NotFound"),
            (Code::InvalidArgument, "InvalidArgument"),
            (Code::Internal, "Internal"),
        ] {
            assert_eq!(go_name(code.name()), expected);
        }
    }
}
