//! `whoami`: which identity a Mount would have, tried out: the source, what STS says of it, the endpoints, and what
//! is missing. With the flags and the environment of the provider itself; no value is read.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::auth::{AUDIENCE, Request, ResolvedIdentity, TOKENS_KEY};
use crate::commands::mount::class::{self, Class};
use crate::commands::mount::hint;
use crate::config::{ManifestSource, WhoAmIOptions};
use crate::limits;
use crate::mount::Mounter;
use crate::os::file;
use crate::params::{self, Input, Plan};
use crate::policy::{PolicyFile, Verdict};
use crate::secret::Secret;

/// How long the whole of it may wait for each answer.
const PATIENCE: Duration = Duration::from_secs(15);

impl WhoAmIOptions {
    /// Tries the identity, and prints what comes of it. `Ok(false)` if there is none.
    ///
    /// # Errors
    /// The output takes no more.
    pub fn run(&self, mounter: &Mounter, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<bool> {
        let plan = match self.plan(input) {
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
                if let Some(hint) = hint::token(&plan, self.token_file.as_deref(), mounter.clock.wall()) {
                    writeln!(output, "hint:     {hint}")?;
                }
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
            return Ok(policy(mounter, output)? && is_well);
        }
        let base = base.as_ref().ok();
        let (is_permitted, verdicts) = verdicts(mounter, &plan, base, output)?;
        Ok(objects(mounter, &plan, base, verdicts.as_deref(), output)? && is_permitted && is_well)
    }

    /// The Mount that a pod would make of the class, or one that asks for nothing of its own.
    fn plan(&self, input: &mut dyn Read) -> Result<Plan, String> {
        let mut class = match &self.class {
            Some(path) => self
                .read(path, input)
                .map_err(|problem| format!("--class={}: {problem}", path.display()))?,
            None => Class {
                name: String::new(),
                namespace: None,
                parameters: BTreeMap::from([("objects".to_owned(), "- objectName: none".to_owned())]),
            },
        };
        let namespace = match (&*self.namespace, class.namespace.take()) {
            ("", Some(of_class)) => of_class,
            (given, _) => given.to_owned(),
        };
        let mut attributes = class.parameters;
        let mut put = |key: &str, value: String| drop(attributes.insert(key.to_owned(), value));
        put("csi.storage.k8s.io/pod.namespace", namespace);
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

    /// The class in the manifest.
    fn read(&self, path: &Path, input: &mut dyn Read) -> Result<Class, String> {
        let source = match path.as_os_str().as_encoded_bytes() {
            b"-" => ManifestSource::StandardInput,
            _ => ManifestSource::File(path.to_owned()),
        };
        let text = source.read(input).map_err(|error| error.to_string())?;
        class::find(&text, self.class_name.as_deref())
    }
}

/// The access policy, where no class asks it anything; whether there is one that can be read, or none at all.
fn policy(mounter: &Mounter, output: &mut dyn Write) -> io::Result<bool> {
    let Some(file) = &mounter.policy else {
        return Ok(true);
    };
    match file.current() {
        Ok(policy) => {
            let rules = policy.rules.len();
            writeln!(
                output,
                "policy:   {}: {rules} rules; --class asks them",
                file.path().display()
            )?;
            Ok(true)
        }
        Err(problem) => {
            writeln!(output, "policy:   {problem}")?;
            Ok(false)
        }
    }
}

/// What the access policy says of each object, and whether it lets the Mount go on.
fn verdicts(
    mounter: &Mounter,
    plan: &Plan,
    base: Option<&ResolvedIdentity>,
    output: &mut dyn Write,
) -> io::Result<(bool, Option<Vec<Verdict>>)> {
    let Some(file) = mounter.policy.as_deref().map(PolicyFile::path) else {
        return Ok((true, None));
    };
    write!(output, "policy:   ")?;
    let identity = Mounter::identity_for(plan, base);
    let file = file.display();
    if plan.pod.namespace.is_empty() {
        writeln!(
            output,
            "{file}: unknown: it is about pods; name one by --namespace and --service-account"
        )?;
        return Ok((false, None));
    }
    match mounter.verdicts(plan, identity) {
        Ok(None) => writeln!(output, "{file}: {identity} is exempt")?,
        Ok(Some(verdicts)) => {
            let is_well = verdicts.iter().all(Result::is_ok);
            let what = if is_well { "lets" } else { "does not let" };
            writeln!(output, "{file}: {what} these pods read with {identity}")?;
            return Ok((is_well, Some(verdicts)));
        }
        Err(problem) => {
            writeln!(output, "{problem}")?;
            return Ok((false, None));
        }
    }
    Ok((true, None))
}

/// What STS says of an identity; whether it says anything.
fn tell(mounter: &Mounter, whom: &ResolvedIdentity, output: &mut dyn Write) -> io::Result<bool> {
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

/// Where each object would be read, as whom, and whether the access policy lets it.
fn objects(
    mounter: &Mounter,
    plan: &Plan,
    base: Option<&ResolvedIdentity>,
    verdicts: Option<&[Verdict]>,
    output: &mut dyn Write,
) -> io::Result<bool> {
    let mut is_well = true;
    let identities = base.map(|base| {
        mounter
            .chain
            .for_objects(base, &plan.objects, &plan.pod, &|| PATIENCE)
    });
    let mut identities = identities.into_iter().flatten().map(|it| it?.usable());
    let mut verdicts = verdicts.unwrap_or_default().iter();
    for object in &plan.objects {
        let place: &dyn fmt::Display = match &mounter.endpoint(plan, object) {
            Ok(endpoint) => &endpoint.url(),
            Err(error) => {
                is_well = false;
                &error.to_string()
            }
        };
        write!(output, "{}: {place}", object.describe())?;
        match (identities.next(), &object.cross_account) {
            (Some(Ok(identity)), Some(_)) => {
                let session = identity.session.map_or_else(String::new, |it| it.to_string());
                write!(output, ", as {session}")?;
            }
            (Some(Err(error)), _) => {
                is_well = false;
                write!(output, ", missing: {error}")?;
            }
            (None, Some(wanted)) => write!(output, ", as role {}", wanted.role_arn)?,
            (_, None) => {}
        }
        match verdicts.next() {
            Some(Ok(rule)) => write!(output, ", permitted by {rule}")?,
            Some(Err(missing)) => write!(output, ", denied: {missing}")?,
            None => {}
        }
        writeln!(output)?;
    }
    Ok(is_well)
}
