//! KMS secrets: versions, stages, deletion windows, managed types.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;

use super::identity::Time;

/// A KMS secret.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "SecretFile")]
pub struct Secret {
    /// Generic or one of the managed types.
    pub kind: SecretKind,
    /// The description.
    pub description: String,
    /// Versions, oldest first. Never empty.
    pub versions: Vec<SecretVersion>,
    /// `ExtendedConfig` of managed types: JSON as text.
    pub extended_config: Option<String>,
    /// Seconds between automatic rotations, if they are enabled.
    pub rotation_interval_seconds: Option<u64>,
    /// When it was created.
    pub created: Timestamp,
    /// When it will be deleted, if deletion is planned.
    pub planned_deletion: Option<Timestamp>,
}

/// One version of a secret.
#[derive(Clone, Debug)]
pub struct SecretVersion {
    /// The version id.
    pub id: String,
    /// The value.
    pub value: SecretValue,
    /// The stages that point at this version.
    pub stages: Vec<String>,
    /// When it was created.
    pub created: Timestamp,
}

/// A secret's value.
#[derive(Clone, PartialEq, Eq)]
pub enum SecretValue {
    /// `SecretDataType` text.
    Text(String),
    /// `SecretDataType` binary.
    Binary(Vec<u8>),
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.data_type())
    }
}

impl SecretValue {
    /// The API's name of the kind.
    pub fn data_type(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Binary(_) => "binary",
        }
    }

    /// The value as `SecretData` carries it: text as it is, binary in padded base64.
    pub fn data(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Binary(bytes) => STANDARD.encode(bytes),
        }
    }
}

/// `SecretType`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum SecretKind {
    /// The user's own secret.
    #[default]
    Generic,
    /// A database account of RDS.
    Rds,
    /// A Redis account.
    Redis,
    /// A PolarDB account.
    PolarDB,
    /// An AccessKey pair of a RAM user.
    RAMCredentials,
    /// A login of an ECS instance.
    ECS,
}

impl SecretKind {
    /// The type with that name.
    pub fn of_name(name: &str) -> Option<Self> {
        [
            Self::Generic,
            Self::Rds,
            Self::Redis,
            Self::PolarDB,
            Self::RAMCredentials,
            Self::ECS,
        ]
        .into_iter()
        .find(|kind| kind.name() == name)
    }

    /// The API's name of the type.
    pub fn name(self) -> &'static str {
        match self {
            Self::Generic => "Generic",
            Self::Rds => "Rds",
            Self::Redis => "Redis",
            Self::PolarDB => "PolarDB",
            Self::RAMCredentials => "RAMCredentials",
            Self::ECS => "ECS",
        }
    }
}

impl Secret {
    /// A new generic secret whose only version is current.
    pub fn new(version_id: impl Into<String>, value: SecretValue, now: Timestamp) -> Self {
        let version = SecretVersion {
            id: version_id.into(),
            value,
            stages: vec![CURRENT.into()],
            created: now,
        };
        Self {
            kind: SecretKind::Generic,
            description: String::new(),
            versions: vec![version],
            extended_config: None,
            rotation_interval_seconds: None,
            created: now,
            planned_deletion: None,
        }
    }

    /// The version with that id.
    pub fn version(&self, id: &str) -> Option<&SecretVersion> {
        self.versions.iter().find(|version| version.id == id)
    }

    /// The version that a stage points at.
    pub fn version_at(&self, stage: &str) -> Option<&SecretVersion> {
        self.versions
            .iter()
            .find(|version| version.stages.iter().any(|other| other == stage))
    }

    /// Adds a version that these stages point at from now on; where `ACSCurrent` was becomes `ACSPrevious`. Of more
    /// than ten versions the oldest without a stage goes, as on the real service.
    pub fn put(
        &mut self,
        version_id: impl Into<String>,
        value: SecretValue,
        stages: &[String],
        now: Timestamp,
    ) {
        let id = version_id.into();
        self.versions.push(SecretVersion {
            id: id.clone(),
            value,
            stages: Vec::new(),
            created: now,
        });
        for stage in stages {
            self.move_stage(stage, &id);
        }
        if self.versions.len() > MAX_VERSIONS
            && let Some(oldest) = self.versions.iter().position(|version| version.stages.is_empty())
        {
            self.versions.remove(oldest);
        }
    }

    /// Points a stage at a version. When `ACSCurrent` moves, `ACSPrevious` follows to where it was.
    pub fn move_stage(&mut self, stage: &str, version_id: &str) {
        let was = self.version_at(stage).map(|version| version.id.clone());
        self.set_stage(stage, version_id);
        if stage == CURRENT
            && let Some(was) = was.filter(|was| was != version_id)
        {
            self.set_stage(PREVIOUS, &was);
        }
    }

    /// Takes a stage off whichever version has it.
    pub fn remove_stage(&mut self, stage: &str) {
        for version in &mut self.versions {
            version.stages.retain(|other| other != stage);
        }
    }

    /// Adds a version that is current from now on, under the next free id.
    pub fn put_current(&mut self, value: SecretValue, now: Timestamp) {
        self.put(self.next_version_id(), value, &[CURRENT.into()], now);
    }

    /// A version id that the secret has never used: `v1`, `v2` and so on, past all that are gone.
    pub fn next_version_id(&self) -> String {
        let numbers = self.versions.iter().filter_map(|it| it.id.strip_prefix('v'));
        let highest = numbers.filter_map(|number| number.parse().ok()).max();
        format!(
            "v{}",
            highest.unwrap_or(0).max(self.versions.len()).saturating_add(1)
        )
    }

    fn set_stage(&mut self, stage: &str, version_id: &str) {
        self.remove_stage(stage);
        if let Some(version) = self.versions.iter_mut().find(|version| version.id == version_id) {
            version.stages.push(stage.into());
        }
    }
}

/// A secret as a state file writes it: a value, or a list of versions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SecretFile {
    #[serde(default, rename = "type")]
    kind: SecretKind,
    #[serde(default)]
    description: String,
    text: Option<String>,
    binary: Option<String>,
    versions: Option<Vec<VersionFile>>,
    extended_config: Option<String>,
    rotation_interval_seconds: Option<u64>,
    created: Option<Time>,
    planned_deletion: Option<Time>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionFile {
    id: String,
    text: Option<String>,
    binary: Option<String>,
    #[serde(default)]
    stages: Vec<String>,
    created: Option<Time>,
}

impl TryFrom<SecretFile> for Secret {
    type Error = String;

    fn try_from(file: SecretFile) -> Result<Self, String> {
        let created = file.created.map_or(BEGINNING, |time| time.0);
        let versions = match (file.versions, file.text, file.binary) {
            (Some(versions), None, None) => versions
                .into_iter()
                .map(|v| v.read(created))
                .collect::<Result<_, _>>()?,
            (None, text, binary) => {
                let version = VersionFile {
                    id: "v1".into(),
                    text,
                    binary,
                    stages: vec![CURRENT.into()],
                    created: None,
                };
                vec![version.read(created)?]
            }
            _ => return Err("a secret has either a value or versions, not both".into()),
        };
        let secret = Self {
            kind: file.kind,
            description: file.description,
            versions,
            extended_config: file.extended_config,
            rotation_interval_seconds: file.rotation_interval_seconds,
            created,
            planned_deletion: file.planned_deletion.map(|time| time.0),
        };
        secret.check()?;
        Ok(secret)
    }
}

impl VersionFile {
    fn read(self, created: Timestamp) -> Result<SecretVersion, String> {
        let value = match (self.text, self.binary) {
            (Some(text), None) => SecretValue::Text(text),
            (None, Some(binary)) => SecretValue::Binary(
                STANDARD
                    .decode(binary)
                    .map_err(|_| "`binary` is not padded standard base64".to_owned())?,
            ),
            (None, None) => return Err("a value is missing: write `text` or `binary`".into()),
            (Some(_), Some(_)) => return Err("a value is either `text` or `binary`, not both".into()),
        };
        let created = self.created.map_or(created, |time| time.0);
        Ok(SecretVersion {
            id: self.id,
            value,
            stages: self.stages,
            created,
        })
    }
}

impl Secret {
    fn check(&self) -> Result<(), String> {
        let mut ids: Vec<_> = self.versions.iter().map(|version| version.id.as_str()).collect();
        let mut stages: Vec<_> = self.versions.iter().flat_map(|version| &version.stages).collect();
        let (versions, labels) = (ids.len(), stages.len());
        ids.sort_unstable();
        ids.dedup();
        stages.sort_unstable();
        stages.dedup();
        match () {
            () if versions == 0 => Err("a secret has at least one version".into()),
            () if ids.len() < versions => Err("two versions have the same id".into()),
            () if stages.len() < labels => Err("a stage points at two versions".into()),
            () if self.version_at(CURRENT).is_none() => Err(format!("no version holds the stage {CURRENT}")),
            () => Ok(()),
        }
    }
}

/// The stage that readers get unless they ask for another.
pub const CURRENT: &str = "ACSCurrent";
/// The stage of the version that was current before.
pub const PREVIOUS: &str = "ACSPrevious";
/// A generic secret keeps that many versions.
pub const MAX_VERSIONS: usize = 10;
/// When things in a state file were created, unless it says otherwise: 2024-01-01T00:00:00Z.
pub const BEGINNING: Timestamp = Timestamp::constant(1_704_067_200, 0);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_version_takes_the_current_stage_and_leaves_the_previous_one_behind() {
        let mut secret = Secret::new("v1", SecretValue::Text("a".into()), BEGINNING);
        secret.put_current(SecretValue::Text("b".into()), BEGINNING);
        secret.put_current(SecretValue::Text("c".into()), BEGINNING);
        let stages: Vec<_> = secret.versions.iter().map(|v| v.stages.join(",")).collect();
        assert_eq!(stages, ["", PREVIOUS, CURRENT]);
        assert_eq!(secret.next_version_id(), "v4");
    }

    #[test]
    fn ten_versions_are_kept() {
        let mut secret = Secret::new("v1", SecretValue::Text("a".into()), BEGINNING);
        for _ in 0..30 {
            secret.put_current(SecretValue::Text("b".into()), BEGINNING);
        }
        assert_eq!(secret.versions.len(), MAX_VERSIONS);
        assert_eq!(secret.version_at(PREVIOUS).map(|v| v.id.as_str()), Some("v30"));
        assert_eq!(secret.version_at(CURRENT).map(|v| v.id.as_str()), Some("v31"));
    }

    #[test]
    fn debug_holds_no_value() {
        let secret = Secret::new("v1", SecretValue::Text("canary".into()), BEGINNING);
        assert!(!format!("{secret:?}").contains("canary"));
    }
}
