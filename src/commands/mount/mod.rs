//! `mount`: one Mount without Kubernetes, with the code that serves the driver. A SecretProviderClass and the pod's
//! side of the request come from files and flags; the files are written as the driver writes them.

pub(crate) mod class;
mod files;
pub(crate) mod hint;
mod stderr_logger;

use std::fmt;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use prost::Message as _;
use serde_json::json;
use zeroize::Zeroize as _;

use crate::clock::{Clock, SystemClock};
use crate::config::MountOptions;
use crate::entropy::SystemEntropy;
use crate::grpc::proto::{MountRequest, MountResponse};
use crate::grpc::{Code, Status};
use crate::limits;
use crate::logger::Logger;
use crate::params::{self, Input};
use crate::provider::mounter_for;
use crate::sync::{CallContext, Cancellation};

use class::Class;
use files::WriteError;

/// Why nothing was mounted.
#[derive(Debug)]
pub enum Error {
    /// A file cannot be read.
    Read(PathBuf, io::Error),
    /// A manifest is not what it should be.
    Manifest(PathBuf, String),
    /// The provider refused; this is what the pod's events would say.
    Mount {
        /// `namespace/name`
        pod: String,
        /// The provider's answer.
        status: Status,
        /// What the flags have to do with it.
        hint: Option<String>,
    },
    /// The provider's answer is not one that the driver takes.
    Answer(String),
    /// The files cannot be written.
    Write(PathBuf, WriteError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Manifest(path, problem) => write!(f, "{}: {problem}", path.display()),
            Self::Mount { pod, status, hint } => {
                let code = go_name(status.code.name());
                write!(
                    f,
                    "rpc error: code = {code} desc = failed to mount secrets store objects for pod {pod}, err: rpc error: \
                     code = {code} desc = {}",
                    status.message
                )?;
                match hint {
                    Some(hint) => write!(f, "\nhint: {hint}"),
                    None => Ok(()),
                }
            }
            Self::Answer(problem) => write!(f, "the provider's answer is broken: {problem}"),
            Self::Write(path, error) => write!(f, "cannot write below {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

impl MountOptions {
    /// Mounts once. Tells each file with its mode, size and version; never what it holds.
    ///
    /// # Errors
    /// The first thing that stands in the way. The target is as it was then.
    pub fn run(self, input: &mut dyn Read, output: &mut dyn Write) -> Result<(), Error> {
        if self.config.verbosity > 0 {
            Logger::install(
                std::sync::Arc::new(SystemClock),
                self.config.verbosity,
                self.config.log_format,
            );
        } else {
            stderr_logger::install();
        }
        for warning in &self.config.warnings {
            log::warn!("{warning}");
        }
        let text = read(&self.class, input)?;
        let class = class::find(&text, self.class_name.as_deref())
            .map_err(|problem| Error::Manifest(self.class.clone(), problem))?;
        let request = self.request(&class, input)?;
        let namespace = self.namespace(&class);
        let pod = format!("{namespace}/{}", self.pod.name);
        let hint = self.hint(&request);
        let Self { config, target, .. } = self;

        let call = CallContext::new(SystemClock.now() + CALL, Cancellation::new());
        let answer = mounter_for(*config)
            .mount(&request, &call)
            .map_err(|status| Error::Mount {
                pod,
                hint: hint.filter(|_| status.code == Code::Unauthenticated),
                status,
            })?;
        let response =
            MountResponse::decode(answer.expose()).map_err(|error| Error::Answer(error.to_string()))?;
        let response = Wiped(response);
        let stamp = files::stamp(SystemClock.wall(), &SystemEntropy::new());
        files::write(&target, &response.0, &stamp).map_err(|error| Error::Write(target.clone(), error))?;
        report(&response.0, output);
        Ok(())
    }

    /// What to look at among the flags if nobody may read.
    fn hint(&self, request: &MountRequest) -> Option<String> {
        let input = Input {
            attributes: &request.attributes,
            permission: &request.permission,
        };
        let plan = params::parse(&input, &self.config.options).ok()?;
        hint::token(&plan, self.token_file.as_deref(), SystemClock.wall())
            .or_else(|| hint::cluster(&plan, &self.config.cluster))
            .or_else(|| hint::publish_secret(&plan, self.publish_secret.as_deref(), &request.secrets))
    }

    fn namespace<'a>(&'a self, class: &'a Class) -> &'a str {
        let own = self.pod.namespace.as_deref().or(class.namespace.as_deref());
        own.unwrap_or("default")
    }

    /// The request that driver 1.6 makes for such a volume.
    fn request(&self, class: &Class, input: &mut dyn Read) -> Result<MountRequest, Error> {
        let mut attributes = class.parameters.clone();
        for (key, value) in [
            ("secretProviderClass", class.name.as_str()),
            ("csi.storage.k8s.io/pod.name", &self.pod.name),
            ("csi.storage.k8s.io/pod.namespace", self.namespace(class)),
            ("csi.storage.k8s.io/pod.uid", &self.pod.uid),
            (
                "csi.storage.k8s.io/serviceAccount.name",
                &self.pod.service_account,
            ),
            ("csi.storage.k8s.io/ephemeral", "true"),
        ] {
            attributes.insert(key.to_owned(), value.to_owned());
        }
        if let Some(path) = &self.token_file {
            let token = read(path, input)?;
            // The kubelet says when a token ends; it is not looked at by those who can read the token itself.
            let tokens = json!({
                AUDIENCE: { "token": token.trim_end(), "expirationTimestamp": TOKEN_END },
            });
            attributes.insert(
                "csi.storage.k8s.io/serviceAccount.tokens".to_owned(),
                tokens.to_string(),
            );
        }
        let secrets = match &self.publish_secret {
            None => "null".to_owned(),
            Some(path) => {
                let text = read(path, input)?;
                let data = class::secret(&text).map_err(|problem| Error::Manifest(path.clone(), problem))?;
                json!(data).to_string()
            }
        };
        let target = std::path::absolute(&self.target).unwrap_or_else(|_| self.target.clone());
        Ok(MountRequest {
            attributes: json!(attributes).to_string(),
            secrets,
            target_path: target.to_string_lossy().into_owned(),
            permission: self.mode.to_string(),
            current_object_version: Vec::new(),
        })
    }
}

/// A response whose contents are wiped when it is no longer needed.
struct Wiped(MountResponse);

impl Drop for Wiped {
    fn drop(&mut self) {
        for file in &mut self.0.files {
            file.contents.zeroize();
        }
    }
}

fn report(response: &MountResponse, output: &mut dyn Write) {
    // A reader that has seen enough, as `head`, is no failure.
    for file in &response.files {
        let _ = writeln!(
            output,
            "file {} mode {:04o} bytes {}",
            file.path,
            file.mode,
            file.contents.len()
        );
    }
    for object in &response.object_version {
        let _ = writeln!(output, "object {} version {}", object.id, object.version);
    }
}

fn read(path: &Path, input: &mut dyn Read) -> Result<String, Error> {
    let wrong = |error| Error::Read(path.to_owned(), error);
    let mut text = String::new();
    // The whole of what `helm template` prints may come in.
    let most = u64::try_from(limits::MANIFEST_BYTES).unwrap_or(u64::MAX);
    let count = if path.as_os_str() == "-" {
        input.take(most + 1).read_to_string(&mut text)
    } else {
        fs::File::open(path).and_then(|file| file.take(most + 1).read_to_string(&mut text))
    };
    match count {
        Ok(count) if count > limits::MANIFEST_BYTES => {
            Err(wrong(io::Error::other(format!("more than {most} bytes"))))
        }
        Ok(_) => Ok(text),
        Err(error) => Err(wrong(error)),
    }
}

/// `NOT_FOUND` as grpc-go, and with it a pod's event, writes it: `NotFound`.
fn go_name(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            format!("{first}{}", rest.to_ascii_lowercase())
        })
        .collect()
}

/// How long kubelet waits for a volume.
const CALL: Duration = Duration::from_secs(120);
const AUDIENCE: &str = "sts.aliyuncs.com";
const TOKEN_END: &str = "2099-01-01T00:00:00Z";

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
