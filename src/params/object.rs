//! One item of `objects`: what to fetch, and which files it becomes.

use super::encoding::Encoding;
use super::fields::Fields;
use super::file_name::{FileName, Translation};
use super::keys;
use super::names::{
    Endpoint, ExternalId, Mode, Region, RoleArn, SecretArn, Service, Version, is_version_text, parse_boolean,
};
use super::parts::Part;
use super::problem::{Place, Report};
use crate::diagnostic::{Diagnostic, quoted};
use crate::limits;
use crate::yaml::{Kind, Node};

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
    pub version: Option<Version>,
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
    pub(super) place: Place,
    /// How the stored value is encoded; as it is if none.
    pub(super) encoding: Option<Encoding>,
    /// The file of the whole value.
    pub(super) whole: Option<Target>,
    /// The files of its parts.
    pub(super) parts: Vec<Part>,
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

/// A file whose name is known before the value is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) path: FileName,
    pub(super) mode: Mode,
}

/// What an item inherits from the class.
pub(super) struct Class<'a> {
    pub(super) region: Option<&'a Region>,
    pub(super) translation: Translation,
    pub(super) mode: Mode,
}

impl Object {
    /// Reads an item. `completing` is a lone `objectType` of the item that follows. Nothing when the item has
    /// no name; other problems go to `report` and leave the field out.
    pub(super) fn parse(
        entries: &[(Node, Node)],
        place: &Place,
        class: &Class<'_>,
        completing: Option<Service>,
        report: &mut Report,
    ) -> Option<Self> {
        let place = Place {
            object: name_of(entries).map(str::to_owned),
            ..place.clone()
        };
        let fields = Fields::read(entries, keys::OBJECT, &place, "", report);
        let Some(name) = fields.text("objectName", report) else {
            missing_name(&fields, report);
            return None;
        };
        if name.len() > limits::OBJECT_NAME_BYTES {
            let text = format!("longer than {} bytes", limits::OBJECT_NAME_BYTES);
            report.problem(&fields.at("objectName"), text, "write the name of the object");
        }

        let given = fields.parsed("objectType", report, Service::parse);
        let service = given.or(completing).unwrap_or(Service::Kms);
        let mode = fields
            .parsed("filePermission", report, Mode::parse)
            .unwrap_or(class.mode);
        let inherited = Class { mode, ..*class };
        let parts = Part::parse_all(&fields, &inherited, report);
        Some(Self {
            item: place.item.unwrap_or_default(),
            name: name.to_owned(),
            service,
            version: fields.parsed("objectVersion", report, |text| Version::parse(service, text)),
            stage: stage(&fields, service, report),
            region: region(&fields, name, service, class.region, report),
            kms_endpoint: endpoint(&fields, service, report),
            cross_account: cross_account(&fields, report),
            optional: fields.parsed("optional", report, parse_boolean).unwrap_or(false),
            encoding: fields.parsed("objectEncoding", report, Encoding::parse),
            whole: whole(&fields, name, &inherited, report),
            parts,
            place: fields.place,
        })
    }
}

/// The name of an item, before anything else about it is known.
fn name_of(entries: &[(Node, Node)]) -> Option<&str> {
    entries.iter().find_map(|(key, value)| match &value.kind {
        Kind::Text(name) if key.is_text("objectName") && !name.is_empty() => Some(name.as_str()),
        _ => None,
    })
}

fn missing_name(fields: &Fields<'_>, report: &mut Report) {
    if fields
        .node("objectName")
        .is_some_and(|node| !matches!(&node.kind, Kind::Text(_)))
    {
        return; // Told already.
    }
    let mut place = fields.at("objectName");
    place.at = fields.place.at;
    report.problem(
        &place,
        "missing",
        "each item that begins with \"-\" needs its own objectName; if the line belongs to the item above, \
         remove the \"-\" and align it with that item's objectName",
    );
}

fn stage(fields: &Fields<'_>, service: Service, report: &mut Report) -> Option<String> {
    fields.parsed("objectVersionLabel", report, |text| match service {
        Service::Oos => Err(Diagnostic::new(
            "OOS parameters have no version labels",
            "pin a number with objectVersion, or leave it out for the newest",
        )),
        Service::Kms if is_version_text(text) => Ok(text.to_owned()),
        Service::Kms => Err(Diagnostic::new(
            format!("{} is not a version label", quoted(text)),
            format!(
                "write a VersionStage such as \"ACSPrevious\", at most {} characters",
                limits::VERSION_BYTES
            ),
        )),
    })
}

/// The region of `region` or of the ARN. Two that contradict each other are an error: the request would go to
/// one region and ask for a secret of the other.
fn region(
    fields: &Fields<'_>,
    name: &str,
    service: Service,
    class: Option<&Region>,
    report: &mut Report,
) -> Option<Region> {
    let own = fields.parsed("region", report, Region::parse);
    if !name.starts_with("acs:") {
        return own;
    }
    let place = fields.at("objectName");
    let arn = match SecretArn::parse(name) {
        Ok(_) if service == Service::Oos => {
            report.problem(
                &place,
                "an ARN names a KMS secret, but objectType is oos",
                "write the name of the parameter, or objectType \"kms\"",
            );
            return own;
        }
        Ok(arn) => arn.region,
        Err(wrong) => {
            report.problem(&place, wrong.text, wrong.remedy);
            return own;
        }
    };
    let other = own
        .as_ref()
        .map(|own| ("the item's region", own))
        .or_else(|| class.map(|class| ("the class's region", class)));
    if let Some((whose, other)) = other.filter(|(_, other)| **other != arn) {
        let text = format!("the ARN's region {arn} contradicts {whose} {other}");
        report.problem(
            &place,
            text,
            "remove the region, or name the secret of that region",
        );
    }
    Some(arn)
}

fn endpoint(fields: &Fields<'_>, service: Service, report: &mut Report) -> Option<Endpoint> {
    let endpoint = fields.parsed("kmsEndpoint", report, Endpoint::parse)?;
    if service == Service::Oos {
        report.warn(
            &fields.at("kmsEndpoint"),
            "has no effect on an OOS parameter; remove it",
        );
        return None;
    }
    Some(endpoint)
}

fn cross_account(fields: &Fields<'_>, report: &mut Report) -> Option<CrossAccount> {
    let external_id = fields.parsed("crossAccountExternalId", report, ExternalId::parse);
    let role_arn = fields.parsed("crossAccountRoleArn", report, RoleArn::parse);
    if external_id.is_some() && fields.node("crossAccountRoleArn").is_none() {
        report.problem(
            &fields.at("crossAccountExternalId"),
            "without crossAccountRoleArn it has no effect",
            "add the role, or remove it",
        );
    }
    Some(CrossAccount {
        role_arn: role_arn?,
        external_id,
    })
}

/// The file of the whole value, unless `mountWholeSecret` is false.
fn whole(fields: &Fields<'_>, name: &str, class: &Class<'_>, report: &mut Report) -> Option<Target> {
    if fields.parsed("mountWholeSecret", report, parse_boolean) == Some(false) {
        if fields.node("jmesPath").is_none() {
            report.problem(
                &fields.at("mountWholeSecret"),
                "without jmesPath no file would be left",
                "add jmesPath, or remove it",
            );
        }
        return None;
    }
    let (field, name) = match fields.text("objectAlias", report) {
        Some(alias) => ("objectAlias", alias),
        None => ("objectName", name),
    };
    match FileName::parse(&class.translation.apply(name)) {
        Ok(path) => Some(Target {
            path,
            mode: class.mode,
        }),
        Err(wrong) => {
            report.problem(&fields.at(field), wrong.text, wrong.remedy);
            None
        }
    }
}
