//! `test`: one mount of a class against a fake cloud of its own, compared with what is expected.

mod compare;
pub(super) mod fault;
mod provider;

use std::fs;
use std::io::{Read as _, Write};
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jiff::SignedDuration;

use super::run::{Others, Stand};
use super::{Error, TestOptions, UsageError};
use crate::fault::FaultId;

/// Mounts and compares. The exit code is 0 if everything is as expected, 1 if not.
pub(super) fn test(
    options: &TestOptions,
    out: &mut dyn Write,
    remarks: &mut dyn Write,
) -> Result<ExitCode, Error> {
    // What is wrong with the expectation is told before anything is mounted.
    let expected = match &options.expect {
        Some(directory) if !options.update => Some(compare::read_expected(directory)?),
        _ => None,
    };
    let provider = provider::find(options.provider.as_deref())?;
    let stand = Stand::start(&options.options, Others::Unknown, remarks)?;
    let faults: Vec<(&str, FaultId)> = options
        .faults
        .iter()
        .map(|(text, rule)| (text.as_str(), stand.cloud.inject(rule.clone())))
        .collect();
    let target = stand.directory.path().join("volume");
    let mut command = Command::new(provider);
    // Nothing of the caller's environment: what a test finds must not depend on the machine.
    command
        .env_clear()
        .envs(stand.variables())
        .arg("mount")
        .args(stand.variables()["FAKE_CLOUD_PROVIDER_FLAGS"].split(' '))
        .arg(argument("class", &options.class))
        .arg(argument("target", &target))
        .args(
            options
                .class_name
                .as_ref()
                .map(|name| format!("--class-name={name}")),
        )
        .args(
            options
                .publish_secret
                .as_ref()
                .map(|file| argument("publish-secret", file)),
        );
    if let Some((namespace, account)) = &options.pod {
        act_as(&stand, namespace, account, &mut command)?;
    }
    for (name, value) in &options.variables {
        if value.is_empty() {
            command.env_remove(name);
        } else {
            command.env(name, value);
        }
    }
    command.args(&options.mount_arguments);
    let outcome = finished(command, options.timeout)?;

    let mut problems: Vec<String> = match (&outcome, &options.expect_error) {
        (Outcome::TimedOut, _) => vec![format!(
            "the mount did not end within {} ms",
            options.timeout.as_millis()
        )],
        (Outcome::Failed(error), Some(words)) if error.contains(words.as_str()) => Vec::new(),
        (Outcome::Failed(error), Some(words)) => {
            vec![format!(
                "expected an error with {words:?}, found: {}",
                error.trim_end()
            )]
        }
        (Outcome::Failed(error), None) => vec![format!("the mount failed: {}", error.trim_end())],
        (Outcome::Mounted(_), Some(words)) => {
            vec![format!(
                "expected an error with {words:?}, and the mount succeeded"
            )]
        }
        (Outcome::Mounted(warnings), None) => {
            let _ = write!(remarks, "{warnings}");
            let found = compare::read_mounted(&target)?;
            match (&expected, &options.expect) {
                (Some(expected), _) => compare::differences(expected, &found),
                (None, Some(directory)) => {
                    compare::write_expected(directory, &found)?;
                    let _ = writeln!(out, "wrote {} files to {}", found.len(), directory.display());
                    Vec::new()
                }
                (None, None) => Vec::new(),
            }
        }
    };
    for (text, id) in faults {
        if stand.cloud.struck(id) == 0 {
            problems.push(format!("no request met the fault {text}"));
        }
    }
    if problems.is_empty() {
        let requests = stand.cloud.requests().len();
        let _ = writeln!(
            out,
            "ok: {} as expected, {requests} requests to the cloud",
            options.class.display()
        );
        return Ok(ExitCode::SUCCESS);
    }
    let _ = writeln!(out, "FAILED: {}", options.class.display());
    for problem in problems {
        let _ = writeln!(out, "  {}", problem.replace('\n', "\n  "));
    }
    Ok(ExitCode::FAILURE)
}

fn argument(flag: &str, path: &std::path::Path) -> std::ffi::OsString {
    let mut text = std::ffi::OsString::from(format!("--{flag}="));
    text.push(path);
    text
}

/// Mounts for a pod: with its token, and with a cluster that the provider may ask for its ServiceAccount.
fn act_as(stand: &Stand, namespace: &str, account: &str, command: &mut Command) -> Result<(), Error> {
    let state = &stand.state;
    let missing = |what: &str| {
        UsageError(format!(
            "--pod {namespace}/{account}: the state file has no {what}"
        ))
    };
    let accounts = &state.kubernetes.service_accounts;
    if !accounts
        .get(namespace)
        .is_some_and(|accounts| accounts.contains_key(account))
    {
        return Err(missing(&format!(
            "ServiceAccount of that name: add kubernetes.service_accounts.{namespace}.{account}"
        ))
        .into());
    }
    let may_ask = |token: &&crate::state::BearerToken| {
        accounts
            .get(&token.namespace)
            .and_then(|accounts| accounts.get(&token.service_account))
            .is_some_and(|account| account.may_get_service_accounts)
    };
    let token = state.kubernetes.tokens.iter().find(may_ask).ok_or_else(|| {
        missing(
            "bearer token of a ServiceAccount with may_get_service_accounts: add one to kubernetes.tokens",
        )
    })?;
    let provider = state
        .kubernetes
        .oidc_provider
        .as_ref()
        .ok_or_else(|| missing("kubernetes.oidc_provider"))?;
    let directory = stand.directory.path().join("serviceaccount");
    let written = |name: &str, text: &str| {
        let path = directory.join(name);
        fs::create_dir_all(&directory)
            .and_then(|()| fs::write(&path, text))
            .map_err(|error| Error::Io(format!("cannot write {}", path.display()), error))?;
        Ok::<_, Error>(path)
    };
    written("ca.crt", stand.cloud.ca_pem())?;
    written("token", &token.token)?;
    let lifetime = SignedDuration::from_hours(1);
    let token = stand
        .cloud
        .mint_token(namespace, account, "sts.aliyuncs.com", lifetime);
    let token = written("pod-token", &token)?;
    command
        .env("KUBERNETES_SERVICE_HOST", "localhost")
        .env(
            "KUBERNETES_SERVICE_PORT",
            stand.cloud.https_address().port().to_string(),
        )
        .env(
            "ALICLOUD_OIDC_PROVIDER_ARN",
            format!("acs:ram::{}:oidc-provider/{provider}", state.account),
        )
        .arg(argument("service-account-dir", &directory))
        .arg(argument("token-file", &token))
        .arg(format!("--namespace={namespace}"))
        .arg(format!("--service-account={account}"));
    Ok(())
}

/// How a mount ended.
enum Outcome {
    /// With files; its warnings.
    Mounted(String),
    /// Its error.
    Failed(String),
    /// Not in time; it was killed.
    TimedOut,
}

fn finished(mut command: Command, timeout: Duration) -> Result<Outcome, Error> {
    let cannot = |error| Error::Io("cannot run the provider".into(), error);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(cannot)?;
    let mut pipe = child.stderr.take();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // What was read before an error is what there is to show.
        let _ = pipe.as_mut().map(|pipe| pipe.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    });
    let status = wait(&mut child, timeout).map_err(cannot)?;
    let text = reader.join().unwrap_or_default();
    Ok(match status {
        None => Outcome::TimedOut,
        Some(status) if status.success() => Outcome::Mounted(text),
        Some(_) => Outcome::Failed(text),
    })
}

/// The child's status; none if it had to be killed.
fn wait(child: &mut Child, timeout: Duration) -> std::io::Result<Option<std::process::ExitStatus>> {
    let deadline = now() + timeout;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if now() >= deadline {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        thread::sleep(POLL);
    }
}

#[expect(clippy::disallowed_methods, reason = "a real process is waited for")]
fn now() -> Instant {
    Instant::now()
}

const POLL: Duration = Duration::from_millis(10);
