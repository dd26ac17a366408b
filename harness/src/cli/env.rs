//! The variables and flags that point others at the cloud.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::Options;
use crate::cloud::FakeCloud;
use crate::state::State;

/// Where a cloud is.
#[derive(Clone, Debug)]
pub struct Place {
    http: String,
    https: String,
    https_port: u16,
    ca: Option<PathBuf>,
    by_names: Option<ByNames>,
}

/// The way to a running cloud by the real one's host names.
#[derive(Clone, Debug)]
pub(super) struct ByNames {
    /// A proxy that leads all of them to the cloud.
    pub(super) proxy: SocketAddr,
    /// A file with the authority of KMS instances.
    pub(super) kms_ca: PathBuf,
}

impl Place {
    /// Where a cloud will be that is started with these options.
    pub(super) fn of(options: &Options) -> Self {
        Self::at(options.http, options.https, options.ca.clone())
    }

    /// Where a running cloud is.
    pub(super) fn of_cloud(cloud: &FakeCloud, ca: PathBuf, by_names: ByNames) -> Self {
        Self {
            by_names: Some(by_names),
            ..Self::at(cloud.http_address(), cloud.https_address(), Some(ca))
        }
    }

    fn at(http: SocketAddr, https: SocketAddr, ca: Option<PathBuf>) -> Self {
        Self {
            http: crate::cloud::url(false, http),
            https: crate::cloud::url(true, https),
            https_port: https.port(),
            ca: ca.map(|path| std::path::absolute(&path).unwrap_or(path)),
            by_names: None,
        }
    }
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// Who reads it; a heading in the output.
    pub reader: &'static str,
}

/// All variables, by reader.
pub fn variables(state: &State, place: &Place) -> Vec<Variable> {
    let mut all = Vec::new();
    let mut add = |reader, name, value: &str| {
        all.push(Variable {
            name,
            value: value.to_owned(),
            reader,
        });
    };
    let ca = place.ca.as_ref().map(|path| path.display().to_string());
    let key = state.first_access_key();
    add(HERE, "FAKE_CLOUD_HTTP", &place.http);
    add(HERE, "FAKE_CLOUD_HTTPS", &place.https);
    if let Some(ca) = &ca {
        add(HERE, "FAKE_CLOUD_CA", ca);
    }
    match &place.by_names {
        None => {
            let flags = format!(
                "--region={} --kms-endpoint={https} --oos-endpoint={https} --sts-endpoint={https} --metadata-endpoint={}",
                state.region,
                place.http,
                https = place.https
            );
            add(PROVIDER, "FAKE_CLOUD_PROVIDER_FLAGS", &flags);
        }
        Some(ByNames { proxy, kms_ca }) => {
            let flags = format!(
                "--region={} --metadata-endpoint={} --kms-ca-file={}",
                state.region,
                place.http,
                kms_ca.display()
            );
            add(PROVIDER, "FAKE_CLOUD_PROVIDER_FLAGS", &flags);
            // Variables of the caller, in either spelling, must not lead past the fake.
            for (name, value) in [
                ("HTTPS_PROXY", format!("http://{proxy}")),
                ("https_proxy", format!("http://{proxy}")),
                ("NO_PROXY", LOOPBACK.to_owned()),
                ("no_proxy", LOOPBACK.to_owned()),
            ] {
                add(NAMES, name, &value);
            }
        }
    }
    if let Some(key) = key {
        add(PROVIDER, "ACCESS_KEY_ID", &key.id);
        add(PROVIDER, "SECRET_ACCESS_KEY", &key.secret);
        add(SDK, "ALIBABA_CLOUD_ACCESS_KEY_ID", &key.id);
        add(SDK, "ALIBABA_CLOUD_ACCESS_KEY_SECRET", &key.secret);
    }
    add(SDK, "ALIBABA_CLOUD_REGION_ID", &state.region);
    add(
        SDK,
        "FAKE_CLOUD_SDK_ENDPOINT",
        &format!("localhost:{}", place.https_port),
    );
    if let Some(role) = &state.metadata.role {
        let uri = format!("{}/latest/meta-data/ram/security-credentials/{role}", place.http);
        add(SDK, "FAKE_CLOUD_CREDENTIALS_URI", &uri);
    }
    if let Some(ca) = &ca {
        add(TRUST, "SSL_CERT_FILE", ca);
        add(TRUST, "REQUESTS_CA_BUNDLE", ca);
        add(TRUST, "NODE_EXTRA_CA_CERTS", ca);
    }
    let flags = format!(
        "--endpoint localhost:{} --region {}",
        place.https_port, state.region
    );
    let keys = key.map(|key| {
        format!(
            " --mode AK --access-key-id {} --access-key-secret {}",
            key.id, key.secret
        )
    });
    add(
        CLI,
        "FAKE_CLOUD_ALIYUN_FLAGS",
        &(flags + &keys.unwrap_or_default()),
    );
    all
}

/// The variables as lines for a POSIX shell.
pub(super) fn shell(variables: &[Variable]) -> String {
    let mut text = String::new();
    let mut reader = "";
    for variable in variables {
        if variable.reader != reader {
            reader = variable.reader;
            text.push_str(&format!("# {reader}\n"));
        }
        text.push_str(&format!("export {}={}\n", variable.name, quoted(&variable.value)));
    }
    text
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', "'\\''"))
}

const HERE: &str = "where the cloud is";
const PROVIDER: &str =
    "the provider: csi-secrets-store-provider-alibabacloud $FAKE_CLOUD_PROVIDER_FLAGS, or mount with them";
const NAMES: &str = "the real host names: the proxy leads those below aliyuncs.com to the fake";
const LOOPBACK: &str = "localhost,127.0.0.1,::1";
const SDK: &str = "the SDKs: set the client's endpoint to $FAKE_CLOUD_SDK_ENDPOINT";
const TRUST: &str = "trust in the cloud's certificate authority: Go and this provider, Python, Node.js";
const CLI: &str = "the aliyun CLI: aliyun kms GetSecretValue --SecretName test-kms $FAKE_CLOUD_ALIYUN_FLAGS";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_a_shell() {
        let variable = |value: &str| Variable {
            name: "N",
            value: value.into(),
            reader: "r",
        };
        assert_eq!(
            shell(&[variable("a b"), variable("it's $x")]),
            "# r\nexport N='a b'\nexport N='it'\\''s $x'\n"
        );
    }
}
