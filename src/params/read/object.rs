//! One item of `objects`: what to fetch, and which files it becomes.

use super::fields::Fields;
use super::report::Report;
use super::{keys, parts};
use crate::diagnostic::Diagnostic;
use crate::limits;
use crate::params::encoding::Encoding;
use crate::params::file_name::{FileName, Translation};
use crate::params::names::{
    Endpoint, ExternalId, Mode, Region, RoleArn, Service, arn_region, parse_boolean, parse_stage,
    parse_version,
};
use crate::params::plan::{CrossAccount, Object, Part, PlannedFile};
use crate::params::problem::Place;
use crate::yaml::Node;

/// What an item inherits from the class.
pub(super) struct Class<'a> {
    pub(super) region: Option<&'a Region>,
    pub(super) translation: Translation,
    pub(super) mode: Mode,
}

/// Reads an item. `completing` is a lone `objectType` of the item that follows. Nothing when the item has no name; other
/// problems go to `report` and leave the field out.
pub(super) fn parse(
    item: &Node,
    place: Place,
    class: &Class<'_>,
    completing: Option<Service>,
    report: &mut Report,
) -> Option<Object> {
    let object = item.text_field("objectName").ok().flatten().map(str::to_owned);
    let place = Place { object, ..place };
    let mut fields = Fields::new(item, keys::OBJECT, place, String::new(), report);
    let remedy = "each item that begins with \"-\" needs its own objectName; if the line belongs to the item above, \
         remove the \"-\" and align it with that item's objectName";
    let name = fields.required("objectName", remedy)?;
    let most = limits::OBJECT_NAME_BYTES;
    let size = Diagnostic::bound(name.len(), "bytes", most, "write the name of the object");
    fields.take("objectName", size);

    let given = fields.parsed("objectType", Service::parse);
    let service = given.or(completing).unwrap_or(Service::Kms);
    let mode = fields.parsed("filePermission", Mode::parse).unwrap_or(class.mode);
    let encoding = fields.parsed("objectEncoding", Encoding::parse);
    let whole = whole(&mut fields, name, class.translation).map(|name| PlannedFile {
        place: fields.place.clone(),
        part: Part::Whole(name),
        mode,
        encoding,
        optional: false,
    });
    let parts = parts::parse(&mut fields, class.translation, mode);
    Some(Object {
        item: fields.place.item.unwrap_or_default(),
        name: name.to_owned(),
        service,
        version: fields.parsed("objectVersion", |text| parse_version(service, text)),
        stage: fields.parsed("objectVersionLabel", |text| parse_stage(service, text)),
        region: region(&mut fields, name, service, class.region),
        kms_endpoint: endpoint(&mut fields, service),
        cross_account: cross_account(&mut fields),
        optional: fields.parsed("optional", parse_boolean).unwrap_or(false),
        encoding,
        files: whole.into_iter().chain(parts).collect(),
        place: fields.place,
    })
}

/// The region of `region` or of the ARN. Two that contradict each other are an error: the request would go to
/// one region and ask for a secret of the other.
fn region(
    fields: &mut Fields<'_, '_>,
    name: &str,
    service: Service,
    class: Option<&Region>,
) -> Option<Region> {
    let own = fields.parsed("region", Region::parse);
    if !name.starts_with("acs:") {
        return own;
    }
    let other = own.as_ref().map(|own| ("the item's region", own));
    let other = other.or_else(|| class.map(|class| ("the class's region", class)));
    let arn = arn_region(name).and_then(|arn| match other {
        _ if service == Service::Oos => Err(Diagnostic::new(
            "an ARN names a KMS secret, but objectType is oos",
            "write the name of the parameter, or objectType \"kms\"",
        )),
        Some((whose, other)) if *other != arn => Err(Diagnostic::new(
            format!("the ARN's region {arn} contradicts {whose} {other}"),
            "remove the region, or name the secret of that region",
        )),
        _ => Ok(arn),
    });
    fields.take("objectName", arn)
}

fn endpoint(fields: &mut Fields<'_, '_>, service: Service) -> Option<Endpoint> {
    let endpoint = fields.parsed("kmsEndpoint", Endpoint::parse)?;
    if service == Service::Oos {
        fields.warn("kmsEndpoint", "has no effect on an OOS parameter; remove it");
        return None;
    }
    Some(endpoint)
}

fn cross_account(fields: &mut Fields<'_, '_>) -> Option<CrossAccount> {
    let external_id = fields.parsed("crossAccountExternalId", ExternalId::parse);
    let role_arn = fields.parsed("crossAccountRoleArn", RoleArn::parse);
    if external_id.is_some() && fields.node("crossAccountRoleArn").is_none() {
        let text = "without crossAccountRoleArn it has no effect";
        fields.problem("crossAccountExternalId", text, "add the role, or remove it");
    }
    Some(CrossAccount {
        role_arn: role_arn?,
        external_id,
    })
}

/// The file of the whole value, unless `mountWholeSecret` is false.
fn whole(fields: &mut Fields<'_, '_>, name: &str, translation: Translation) -> Option<FileName> {
    if fields.parsed("mountWholeSecret", parse_boolean) == Some(false) {
        if fields.node("jmesPath").is_none() {
            let text = "without jmesPath no file would be written";
            fields.problem("mountWholeSecret", text, "add jmesPath, or remove it");
        }
        return None;
    }
    let alias = fields.text("objectAlias");
    let field = if alias.is_some() {
        "objectAlias"
    } else {
        "objectName"
    };
    let path = translation.apply(alias.unwrap_or(name));
    fields.take(field, FileName::parse(&path))
}
