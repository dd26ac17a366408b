//! The plan of one mount: everything the parameters ask for, checked as a whole.

use super::encoding::Encoding;
use super::file_name::{FileName, Translation};
use super::names::{Endpoint, ExternalId, Mode, Region, RoleArn, Service};
use super::problem::{Place, Problem};
use crate::diagnostic::quoted;
use crate::jmespath::Expression;
use crate::secret::Secret;

/// What one mount asks for.
#[derive(Debug)]
pub struct Plan {
    /// The pod that mounts.
    pub pod: Pod,
    /// The SecretProviderClass; empty when the driver does not say.
    pub class_name: String,
    /// The class's region, for objects without one of their own.
    pub region: Option<Region>,
    /// Whether to read with the identity of the pod's service account (`usePodServiceAccountToken`).
    pub pod_identity: bool,
    /// The service account tokens as the driver sent them: JSON text, by audience.
    pub tokens: Option<Secret>,
    /// What to fetch, in the order of the list; at least one.
    pub objects: Vec<Object>,
    /// A digest of the class's parameters.
    pub parameters: [u8; 32],
    /// What works but is probably not meant so.
    pub warnings: Vec<Problem>,
    pub(crate) translation: Translation,
}

/// The pod, as kubelet vouches for it. Texts are empty when the driver does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The service account it runs as.
    pub service_account: String,
}

/// An object to fetch.
#[derive(Debug)]
pub struct Object {
    /// The item of `objects`, counted from 1.
    pub item: usize,
    /// The `objectName`: a name, or the ARN of a KMS secret.
    pub name: String,
    /// Where it lives.
    pub service: Service,
    /// The pinned version; the newest if none.
    pub version: Option<String>,
    /// The KMS `VersionStage` (`objectVersionLabel`); never with OOS.
    pub stage: Option<String>,
    /// The object's own region, from its `region` or its ARN; the class's if none.
    pub region: Option<Region>,
    /// The KMS endpoint to ask, unchecked against any allow-list; never with OOS.
    pub kms_endpoint: Option<Endpoint>,
    /// The role to assume first.
    pub cross_account: Option<CrossAccount>,
    /// Whether a definite not-found skips the object.
    pub optional: bool,
    pub(crate) place: Place,
    /// How the stored value is encoded; as it is if none.
    pub(crate) encoding: Option<Encoding>,
    /// The files that it becomes, in the order in which they are made.
    pub files: Vec<PlannedFile>,
}

impl Object {
    /// What to call the object in a message: item, name and service.
    pub fn describe(&self) -> String {
        format!("item {} {} ({})", self.item, quoted(&self.name), self.service)
    }
}

/// A role of another account, assumed to read one object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CrossAccount {
    /// The role.
    pub role_arn: RoleArn,
    /// What its trust policy may ask for.
    pub external_id: Option<ExternalId>,
}

/// A file, or those of all keys, that an object becomes.
#[derive(Debug)]
pub struct PlannedFile {
    /// Where messages about it point.
    pub(crate) place: Place,
    /// What of the object's value it holds.
    pub(crate) part: Part,
    /// Its mode.
    pub mode: Mode,
    /// `objectEncoding`, which is undone before writing.
    pub encoding: Option<Encoding>,
    /// Whether a null makes no file, instead of an error.
    pub optional: bool,
}

/// What of a value becomes a file.
#[derive(Debug)]
pub(crate) enum Part {
    /// All of it.
    Whole(FileName),
    /// The result of this JMESPath expression.
    Expression(Expression, FileName),
    /// A file for each top-level key.
    Keys {
        /// What all names begin with, before the key.
        prefix: String,
        /// What becomes of slashes in them.
        translation: Translation,
    },
}

impl PlannedFile {
    /// The expression that selects its contents.
    pub fn expression(&self) -> Option<&str> {
        match &self.part {
            Part::Expression(expression, _) => Some(expression.as_str()),
            Part::Whole(_) | Part::Keys { .. } => None,
        }
    }

    /// Its path below the mount, or what the paths of all keys begin with.
    pub fn path(&self) -> &str {
        match &self.part {
            Part::Whole(name) | Part::Expression(_, name) => name.as_str(),
            Part::Keys { prefix, .. } => prefix,
        }
    }
}

/// What an object takes in a plan, beside its longest texts, and in a mount: endpoint, identity, results.
const OBJECT_BYTES: usize = 1_024;

/// What a part takes, beside its expression.
const PART_BYTES: usize = 512;

impl Plan {
    /// How many bytes it takes itself, about.
    pub fn memory(&self) -> usize {
        let of_file = |file: &PlannedFile| match &file.part {
            Part::Whole(_) => 0,
            Part::Expression(expression, _) => PART_BYTES.saturating_add(expression.as_str().len()),
            Part::Keys { .. } => PART_BYTES,
        };
        let of_object = |object: &Object| {
            let account = object.cross_account.as_ref();
            let external_id = account.and_then(|account| account.external_id.as_ref());
            OBJECT_BYTES
                .saturating_add(object.name.len())
                .saturating_add(external_id.map_or(0, |id| id.as_str().len()))
                .saturating_add(object.files.iter().map(of_file).sum::<usize>())
        };
        self.objects.iter().map(of_object).sum()
    }
}
