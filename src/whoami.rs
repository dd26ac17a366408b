//! `whoami`: which identity a Mount would have, tried out: the source, what STS says of it, the endpoints, and what
//! is missing. With the flags and the environment of the provider itself; no value is read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::auth::{AUDIENCE, Request, Resolved, TOKENS_KEY};
use crate::file;
use crate::limits;
use crate::mount::Mounter;
use crate::params::{self, Input, Plan};
use crate::secret::Secret;

/// Whose identity to try.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// A SecretProviderClass manifest; without one, the provider's own identity is tried.
    pub class: Option<PathBuf>,
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's ServiceAccount.
    pub service_account: String,
    /// The ServiceAccount token of audience `sts.aliyuncs.com`, as the pod would have it.
    pub token_file: Option<PathBuf>,
}

/// How long the whole of it may wait for each answer.
const PATIENCE: Duration = Duration::from_secs(15);

impl Settings {
    /// Tries the identity, and prints what comes of it. `Ok(false)` if there is none.
    ///
    /// # Errors
    /// The output takes no more.
    pub fn run(&self, mounter: &Mounter, output: &mut dyn Write) -> io::Result<bool> {
        let plan = match self.plan() {
            Ok(plan) => plan,
            Err(problem) => {
                writeln!(output, "class:    {problem}")?;
                return Ok(false);
            }
        };
        let (sts, why) = mounter.chain.sts();
        let request = Request {
            pod: &plan.pod,
            pod_identity: plan.pod_identity,
            tokens: plan.tokens.as_ref(),
            secrets: "null",
        };
        let (skipped, base) = match mounter.chain.resolve(&request, PATIENCE) {
            Ok(base) => (base.skipped.clone(), Ok(base)),
            Err(failure) => (failure.skipped.clone(), Err(failure)),
        };
        for skip in &skipped {
            writeln!(output, "skipped:  {}: {}", skip.what, skip.why)?;
        }
        let is_well = match &base {
            Ok(base) => tell(mounter, base, output)?,
            Err(failure) => {
                if let Some(source) = failure.source {
                    writeln!(output, "source:   {source}")?;
                }
                writeln!(output, "missing:  {}", failure.error)?;
                false
            }
        };
        writeln!(output, "STS:      {sts} ({why})")?;
        match mounter.region.resolve() {
            Ok(region) => writeln!(output, "region:   {region} (of classes that name none)")?,
            Err(problem) => writeln!(
                output,
                "region:   unknown: {problem}; set --region, or parameters.region in each class"
            )?,
        }
        if self.class.is_none() {
            writeln!(output, "KMS:      {}", mounter.endpoints.kms)?;
            writeln!(output, "OOS:      {}", mounter.endpoints.oos)?;
            return Ok(is_well);
        }
        Ok(objects(mounter, &plan, base.as_ref().ok(), output)? && is_well)
    }

    /// The Mount that a pod would make of the class, or one that asks for nothing of its own.
    fn plan(&self) -> Result<Plan, String> {
        let mut attributes = match &self.class {
            Some(path) => parameters(path)?,
            None => BTreeMap::from([("objects".to_owned(), "- objectName: none".to_owned())]),
        };
        let mut put = |key: &str, value: String| drop(attributes.insert(key.to_owned(), value));
        put("csi.storage.k8s.io/pod.namespace", self.namespace.clone());
        put(
            "csi.storage.k8s.io/serviceAccount.name",
            self.service_account.clone(),
        );
        if let Some(path) = &self.token_file {
            let token = file::read(path, limits::TOKEN_BYTES)
                .map_err(|error| format!("--token-file={}: {error}", path.display()))?;
            let token = token.expose_str().unwrap_or_default().trim();
            put(
                TOKENS_KEY,
                serde_json::json!({ AUDIENCE: { "token": token } }).to_string(),
            );
        }
        let attributes = Secret::from(serde_json::json!(attributes).to_string());
        let input = Input {
            attributes: attributes.expose_str().unwrap_or_default(),
            permission: "",
        };
        params::parse(&input, &params::Options::default()).map_err(|problems| problems.to_string())
    }
}

/// What STS says of an identity; whether it says anything.
fn tell(mounter: &Mounter, whom: &Resolved, output: &mut dyn Write) -> io::Result<bool> {
    writeln!(output, "source:   {}", whom.source)?;
    if let Some(session) = &whom.session {
        writeln!(output, "role:     {}", session.role_arn)?;
        writeln!(output, "session:  {}", session.session_name)?;
    }
    let credentials = match &whom.credentials {
        Ok(credentials) => credentials,
        Err(error) => {
            writeln!(output, "missing:  {error}")?;
            return Ok(false);
        }
    };
    writeln!(output, "key:      {}", credentials.access_key_id)?;
    match whom.expires {
        Some(expires) => writeln!(output, "expires:  {expires}")?,
        None => writeln!(output, "expires:  never")?,
    }
    match mounter.chain.caller(credentials, PATIENCE) {
        Ok(caller) => {
            writeln!(output, "caller:   {} ({})", caller.arn, caller.identity_type)?;
            writeln!(output, "account:  {}", caller.account_id)?;
            Ok(true)
        }
        Err(error) => {
            writeln!(output, "caller:   unknown: {error}")?;
            Ok(false)
        }
    }
}

/// Where each object would be read, and as whom.
fn objects(
    mounter: &Mounter,
    plan: &Plan,
    base: Option<&Resolved>,
    output: &mut dyn Write,
) -> io::Result<bool> {
    let mut is_well = true;
    for object in &plan.objects {
        let place: &dyn fmt::Display = match &mounter.endpoint(plan, object) {
            Ok(endpoint) => &endpoint.url(),
            Err(error) => {
                is_well = false;
                &error.to_string()
            }
        };
        write!(output, "{}: {place}", object.describe())?;
        match (base, &object.cross_account) {
            (Some(base), Some(wanted)) => {
                let resolved = mounter.chain.for_object(base, Some(wanted), &plan.pod, PATIENCE);
                match resolved.and_then(Resolved::usable) {
                    Ok(resolved) => write!(
                        output,
                        ", as {}",
                        resolved.session.map_or_else(String::new, |it| it.to_string())
                    )?,
                    Err(error) => {
                        is_well = false;
                        write!(output, ", missing: {error}")?;
                    }
                }
            }
            (None, Some(wanted)) => write!(output, ", as role {}", wanted.role_arn)?,
            (_, None) => {}
        }
        writeln!(output)?;
    }
    Ok(is_well)
}

/// The parameters of a SecretProviderClass manifest with one document.
fn parameters(path: &Path) -> Result<BTreeMap<String, String>, String> {
    #[derive(Deserialize)]
    struct Manifest {
        spec: Spec,
    }
    #[derive(Deserialize)]
    struct Spec {
        parameters: BTreeMap<String, String>,
    }
    let wrong = |problem: &dyn fmt::Display| format!("--class={}: {problem}", path.display());
    let text = file::read(path, limits::ATTRIBUTES_BYTES).map_err(|error| wrong(&error))?;
    let text = text.expose_str().ok_or_else(|| wrong(&"it is not UTF-8"))?;
    let manifest: Manifest = serde_saphyr::from_str(text)
        .map_err(|_| wrong(&"it is not one SecretProviderClass; check it with validate"))?;
    Ok(manifest.spec.parameters)
}
