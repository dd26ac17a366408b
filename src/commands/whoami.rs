//! `whoami`: tests the identity that a mount would use, with the provider's flags and environment. Prints the source,
//! the caller according to STS, the endpoints, and what is missing. Reads no secret.

use std::fmt;
use std::io::{self, Read, Write};
use std::time::Duration;

use super::hint;
use super::request::Class;
use crate::auth::{Request, ResolvedIdentity};
use crate::config::WhoAmIOptions;
use crate::mount::Mounter;
use crate::params::{self, Input, Plan};
use crate::policy::{PolicyFile, Verdict};
use crate::secret::Secret;

/// Timeout of each answer.
const PATIENCE: Duration = Duration::from_secs(15);

impl WhoAmIOptions {
    /// Tests the identity, and prints the result. `Ok(false)` if something is missing or denied.
    ///
    /// # Errors
    /// The output cannot be written.
    pub fn run(&self, mounter: &Mounter, input: &mut dyn Read, output: &mut dyn Write) -> io::Result<bool> {
        let plan = match self.plan(input) {
            Ok(plan) => plan,
            Err(problem) => {
                writeln!(output, "class:    {problem}")?;
                return Ok(false);
            }
        };
        let mut answer = Answer {
            mounter,
            plan: &plan,
            output,
            is_well: true,
        };
        let (sts, why) = mounter.chain.sts();
        let request = Request {
            pod: &plan.pod,
            pod_identity: plan.pod_identity,
            tokens: plan.tokens.as_ref(),
            secrets: "null",
        };
        let base = mounter.chain.resolve(&request, PATIENCE);
        let skipped = match &base {
            Ok(base) => &base.skipped,
            Err(failure) => &failure.skipped,
        };
        for skip in skipped {
            answer.line("skipped", format_args!("{}: {}", skip.what, skip.why))?;
        }
        match &base {
            Ok(base) => answer.identity(base)?,
            Err(failure) => {
                if let Some(source) = failure.source {
                    answer.line("source", source)?;
                }
                answer.problem("missing", &failure.error)?;
                if let Some(hint) = hint::token(&plan, self.token_file.as_deref(), mounter.clock.wall()) {
                    answer.line("hint", hint)?;
                }
            }
        }
        answer.line("STS", format_args!("{sts} ({why})"))?;
        let region = match mounter.region.resolve() {
            Ok(region) => format!("{region} (for classes that name none)"),
            Err(problem) => format!("unknown: {problem}; set --region, or parameters.region in each class"),
        };
        answer.line("region", region)?;
        if self.class.is_some() {
            let base = base.as_ref().ok();
            let verdicts = answer.verdicts(base)?;
            answer.objects(base, &verdicts)?;
        } else {
            answer.line("KMS", &mounter.endpoints.kms)?;
            answer.line("OOS", &mounter.endpoints.oos)?;
            answer.policy()?;
        }
        Ok(answer.is_well)
    }

    /// The plan of a mount of the class; without a class, of one with the provider's own identity.
    fn plan(&self, input: &mut dyn Read) -> Result<Plan, String> {
        let mut class = Class::default();
        if let Some(path) = &self.class {
            class = Class::read(path, self.class_name.as_deref(), input)?;
        } else {
            let nothing = "- objectName: none".to_owned();
            class.parameters.insert("objects".to_owned(), nothing);
        }
        let namespace = class.namespace_of(&self.pod).unwrap_or_default();
        let attributes = class.attributes(&self.pod, &namespace, self.token_file.as_deref(), input)?;
        let attributes = Secret::from(attributes);
        let input = Input {
            attributes: attributes.expose_str().unwrap_or_default(),
            permission: "",
        };
        params::parse(&input, &params::Options::default()).map_err(|problems| problems.to_string())
    }
}

/// Prints the answer line by line.
struct Answer<'a> {
    mounter: &'a Mounter,
    plan: &'a Plan,
    output: &'a mut dyn Write,
    is_well: bool,
}

impl Answer<'_> {
    fn line(&mut self, label: &str, text: impl fmt::Display) -> io::Result<()> {
        writeln!(self.output, "{:<10}{text}", format!("{label}:"))
    }

    fn problem(&mut self, label: &str, text: impl fmt::Display) -> io::Result<()> {
        self.is_well = false;
        self.line(label, text)
    }

    /// Prints an identity, and its caller according to STS.
    fn identity(&mut self, whom: &ResolvedIdentity) -> io::Result<()> {
        self.line("source", whom.source)?;
        if let Some(session) = &whom.session {
            self.line("role", &session.role_arn)?;
            self.line("session", &session.session_name)?;
        }
        let credentials = match &whom.credentials {
            Ok(credentials) => credentials,
            Err(error) => return self.problem("missing", error),
        };
        self.line("key", &credentials.access_key_id)?;
        match whom.expires {
            Some(expires) => self.line("expires", expires)?,
            None => self.line("expires", "never")?,
        }
        match self.mounter.chain.caller(credentials, PATIENCE) {
            Ok(caller) => {
                self.line(
                    "caller",
                    format_args!("{} ({})", caller.arn, caller.identity_type),
                )?;
                self.line("account", caller.account_id)
            }
            Err(error) => self.problem("caller", format_args!("unknown: {error}")),
        }
    }

    /// Prints the access policy of a provider without a class to check.
    fn policy(&mut self) -> io::Result<()> {
        let Some(file) = &self.mounter.policy else {
            return Ok(());
        };
        match file.current() {
            Ok(policy) => {
                let (file, rules) = (file.path().display(), policy.rules.len());
                self.line(
                    "policy",
                    format_args!("{file}: {rules} rules; set --class to check them"),
                )
            }
            Err(problem) => self.problem("policy", problem),
        }
    }

    /// The access policy's verdict on each object; empty if it does not apply or cannot be read.
    fn verdicts(&mut self, base: Option<&ResolvedIdentity>) -> io::Result<Vec<Verdict>> {
        let (mounter, plan) = (self.mounter, self.plan);
        let Some(file) = mounter.policy.as_deref().map(PolicyFile::path) else {
            return Ok(Vec::new());
        };
        let file = file.display();
        if plan.pod.namespace.is_empty() {
            let why = "it depends on the pod; set --namespace and --service-account";
            self.problem("policy", format_args!("{file}: unknown: {why}"))?;
            return Ok(Vec::new());
        }
        let identity = Mounter::identity_for(plan, base);
        match mounter.verdicts(plan, identity) {
            Ok(Some(verdicts)) => {
                let is_permitted = verdicts.iter().all(Result::is_ok);
                self.is_well &= is_permitted;
                let lets = if is_permitted { "lets" } else { "does not let" };
                let text = format!("{file}: {lets} these pods read with {identity}");
                self.line("policy", text).map(|()| verdicts)
            }
            Ok(None) => {
                let text = format!("{file}: {identity} is exempt");
                self.line("policy", text).map(|()| Vec::new())
            }
            Err(problem) => self.problem("policy", problem).map(|()| Vec::new()),
        }
    }

    /// Prints each object's endpoint, role and verdict.
    fn objects(&mut self, base: Option<&ResolvedIdentity>, verdicts: &[Verdict]) -> io::Result<()> {
        let (mounter, plan) = (self.mounter, self.plan);
        let chain = &mounter.chain;
        let identities = base.map(|base| chain.for_objects(base, &plan.objects, &plan.pod, &|| PATIENCE));
        let mut identities = identities.into_iter().flatten().map(|it| it?.usable());
        let mut verdicts = verdicts.iter();
        for object in &plan.objects {
            let place = mounter.endpoint(plan, object);
            self.is_well &= place.is_ok();
            let place = place.map_or_else(|error| error.to_string(), |endpoint| endpoint.url().to_string());
            write!(self.output, "{}: {place}", object.describe())?;
            match (identities.next(), &object.cross_account) {
                (Some(Ok(identity)), Some(_)) => {
                    let session = identity.session.map_or_else(String::new, |it| it.to_string());
                    write!(self.output, ", as {session}")?;
                }
                (Some(Err(error)), _) => {
                    self.is_well = false;
                    write!(self.output, ", missing: {error}")?;
                }
                (None, Some(wanted)) => write!(self.output, ", as role {}", wanted.role_arn)?,
                (_, None) => {}
            }
            match verdicts.next() {
                Some(Ok(rule)) => write!(self.output, ", permitted by {rule}")?,
                Some(Err(missing)) => write!(self.output, ", denied: {missing}")?,
                None => {}
            }
            writeln!(self.output)?;
        }
        Ok(())
    }
}
