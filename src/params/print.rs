//! A plan written out as the parameters that mean it: every default explicit, every name final.
//!
//! Reading what this prints gives the same plan again; fuzzing holds it to that.

use std::collections::BTreeMap;

use super::encoding::Encoding;
use super::file_name::Translation;
use super::plan::{Object, Part, Plan, PlannedFile};
use crate::diagnostic::double_quoted;

impl Plan {
    /// The parameters of a class that means this plan.
    pub fn to_parameters(&self) -> BTreeMap<&'static str, String> {
        let translation = match self.translation {
            Translation::Off => "False".to_owned(),
            Translation::To(character) => character.to_string(),
        };
        let mut objects = String::new();
        self.objects.iter().for_each(|object| object.print(&mut objects));
        let parameters = [
            ("region", text(self.region.as_ref())),
            ("pathTranslation", translation),
            (
                "usePodServiceAccountToken",
                text(self.pod_identity.then_some(true)),
            ),
            ("objects", objects),
        ];
        parameters
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .collect()
    }
}

impl Object {
    fn print(&self, out: &mut String) {
        let account = self.cross_account.as_ref();
        let external_id = account.and_then(|account| account.external_id.as_ref());
        let is_whole = |file: &&PlannedFile| matches!(file.part, Part::Whole(_));
        let whole = self.files.iter().find(is_whole);
        let fields = [
            ("objectName", self.name.clone()),
            ("objectType", self.service.to_string()),
            ("objectVersion", text(self.version.as_ref())),
            ("objectVersionLabel", text(self.stage.as_ref())),
            ("region", text(self.region.as_ref())),
            ("kmsEndpoint", text(self.kms_endpoint.as_ref())),
            ("crossAccountRoleArn", text(account.map(|it| &it.role_arn))),
            ("crossAccountExternalId", text(external_id)),
            ("optional", text(self.optional.then_some(true))),
            ("objectEncoding", text(self.encoding.map(Encoding::name))),
            ("objectAlias", text(whole.map(PlannedFile::path))),
            ("filePermission", text(whole.map(|whole| whole.mode))),
            ("mountWholeSecret", text(whole.is_none().then_some(false))),
        ];
        print_fields("- ", "  ", &fields, out);
        let mut parts = self.files.iter().filter(|file| !is_whole(file)).peekable();
        if parts.peek().is_some() {
            out.push_str("  jmesPath:\n");
        }
        parts.for_each(|part| part.print(out));
    }
}

impl PlannedFile {
    fn print(&self, out: &mut String) {
        let (path, field) = match self.expression() {
            Some(expression) => (expression, "objectAlias"),
            None => ("*", "prefix"),
        };
        let fields = [
            ("path", path.to_owned()),
            (field, self.path().to_owned()),
            ("filePermission", self.mode.to_string()),
            ("objectEncoding", text(self.encoding.map(Encoding::name))),
            ("optional", text(self.optional.then_some(true))),
        ];
        print_fields("    - ", "      ", &fields, out);
    }
}

/// A value's text; empty if there is none.
fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// One field a line, the first after `first`, the others after `next`. Empty values are left out, as they mean
/// absence.
fn print_fields(first: &str, next: &str, fields: &[(&str, String)], out: &mut String) {
    let fields = fields.iter().filter(|(_, value)| !value.is_empty());
    for (index, (key, value)) in fields.enumerate() {
        let begin = if index == 0 { first } else { next };
        out.push_str(&format!("{begin}{key}: {}\n", double_quoted(value)));
    }
}
