//! Encodes files and versions as a `MountResponse`, within the driver's size limit.

use std::cmp::Reverse;

use prost::Message as _;
use zeroize::Zeroize as _;

use super::error::Error;
use crate::grpc::proto::{File, MountResponse, ObjectVersion};
use crate::params::RenderedFile;
use crate::secret::Secret;

/// Number of files that the error about size names.
const LARGEST: usize = 3;

/// Encodes the response. Every file is listed with the backend's revision of the object it comes from.
pub(super) fn encode(
    files: &[RenderedFile],
    versions: &[Option<String>],
    max_bytes: usize,
) -> Result<Secret, Error> {
    if files.is_empty() {
        return Err(Error::Empty);
    }
    let mut response = MountResponse::default();
    for file in files {
        let version = versions.get(file.object).cloned().flatten();
        response.object_version.push(ObjectVersion {
            id: file.path.as_str().to_owned(),
            version: version.unwrap_or_default(),
        });
        response.files.push(File {
            path: file.path.as_str().to_owned(),
            mode: i32::from(file.mode.bits()),
            contents: file.contents.expose().to_vec(),
        });
    }
    let bytes = response.encoded_len();
    let encoded = (bytes <= max_bytes).then(|| Secret::new(response.encode_to_vec()));
    for file in &mut response.files {
        file.contents.zeroize();
    }
    encoded.ok_or_else(|| Error::TooLarge {
        bytes,
        max_bytes,
        largest: largest(files),
    })
}

fn largest(files: &[RenderedFile]) -> String {
    let mut sizes: Vec<(usize, &str)> = files
        .iter()
        .map(|file| (file.contents.len(), file.path.as_str()))
        .collect();
    sizes.sort_by_key(|(size, path)| (Reverse(*size), *path));
    let named = sizes.iter().take(LARGEST);
    let named: Vec<String> = named
        .map(|(size, path)| format!("{path} ({size} bytes)"))
        .collect();
    named.join(", ")
}
