//! Sets the stage for a test program in another language: a fake cloud, the provider's binary that reads from it, and
//! a TCP port in front of the provider's socket. Then runs the program and ends with its exit code.
//!
//! `stage BINARY PROGRAM [ARGUMENT…]`. The program finds everything in its environment:
//!
//! | variable | meaning |
//! |---|---|
//! | `STAGE_VOLUME` | directory of the provider's socket `alibabacloud.sock` |
//! | `STAGE_HOST`, `STAGE_PORT` | the same by TCP |
//! | `STAGE_CLOUD` | URL of the fake cloud; its control API is below `/_fake/` |
//! | `STAGE_PID` | process id of the provider |
//! | `STAGE_BINARY`, `STAGE_ARGUMENTS` | how to start another one: the binary, and its arguments one a line |
//! | `ACCESS_KEY_ID`, `SECRET_ACCESS_KEY` | what it needs in its environment, too |

use std::error::Error;
use std::ffi::OsString;
use std::io::Write as _;
use std::process::{Command, ExitCode};

use harness::FakeCloud;
use harness::bridge::Bridge;
use harness::process::ProviderBuilder;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: stage BINARY PROGRAM [ARGUMENT…]";
    let (binary, program) = (arguments.next().ok_or(usage)?, arguments.next().ok_or(usage)?);
    let arguments: Vec<OsString> = arguments.collect();

    let cloud = FakeCloud::start()?;
    let volume = tempfile::tempdir()?;
    let (id, secret) = cloud.access_key();
    let url = cloud.http_url();
    let flags = [
        format!("--kms-endpoint={url}"),
        format!("--oos-endpoint={url}"),
        "--region=cn-hangzhou".to_owned(),
    ];
    let mut builder = ProviderBuilder::new(&binary)
        .volume(volume.path())
        .variable("ACCESS_KEY_ID", &id)
        .variable("SECRET_ACCESS_KEY", &secret);
    for flag in &flags {
        builder = builder.argument(flag);
    }
    let mut provider = builder.start()?;
    let bridge = Bridge::start(provider.socket())?.address();

    let status = Command::new(program)
        .args(arguments)
        .env("STAGE_VOLUME", volume.path())
        .env("STAGE_HOST", bridge.ip().to_string())
        .env("STAGE_PORT", bridge.port().to_string())
        .env("STAGE_CLOUD", url)
        .env("STAGE_PID", provider.id().to_string())
        .env("STAGE_BINARY", binary)
        .env("STAGE_ARGUMENTS", flags.join("\n"))
        .env("ACCESS_KEY_ID", id)
        .env("SECRET_ACCESS_KEY", secret)
        .status()?;
    let ended = provider.terminate()?;
    if status.success() && ended.success() {
        return Ok(ExitCode::SUCCESS);
    }
    let out = &mut std::io::stderr();
    writeln!(
        out,
        "the program ended with {status}, the provider with {ended}; its log:"
    )?;
    writeln!(out, "{}", provider.log())?;
    Ok(ExitCode::FAILURE)
}
