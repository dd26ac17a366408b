//! A fake cloud, a provider that reads from it, and a driver that asks the provider.

use std::fmt::Write as _;

use harness::FakeCloud;
use harness::driver::{Driver, MountRequest, MountResponse, Volume};
use harness::process::{ProviderBuilder, ProviderProcess};

/// The binary under test.
pub(crate) fn binary() -> ProviderBuilder {
    ProviderBuilder::new(env!("CARGO_BIN_EXE_csi-secrets-store-provider-alibabacloud"))
}

pub(crate) struct World {
    pub(crate) cloud: FakeCloud,
    pub(crate) provider: ProviderProcess,
    pub(crate) driver: Driver,
}

impl World {
    /// Everything over plain HTTP, with the fake world's AccessKey pair.
    pub(crate) fn start() -> Self {
        Self::with(|builder, _| builder)
    }

    /// The same, with more arguments or variables.
    pub(crate) fn with(adjust: impl FnOnce(ProviderBuilder, &FakeCloud) -> ProviderBuilder) -> Self {
        Self::on(FakeCloud::start().expect("fake cloud"), adjust)
    }

    /// The same with a cloud that has started.
    pub(crate) fn on(
        cloud: FakeCloud,
        adjust: impl FnOnce(ProviderBuilder, &FakeCloud) -> ProviderBuilder,
    ) -> Self {
        let provider = adjust(provider_of(&cloud), &cloud).start().expect("provider");
        let driver = Driver::new(provider.socket());
        Self {
            cloud,
            provider,
            driver,
        }
    }

    /// One Mount of these `objects` in the fake world's region.
    pub(crate) fn mount(&self, objects: &str) -> Result<MountResponse, harness::driver::Status> {
        self.driver.mount(request(objects))
    }
}

/// A provider that is pointed at `cloud` and reads anew at each Mount, as most tests want it.
pub(crate) fn provider_of(cloud: &FakeCloud) -> ProviderBuilder {
    let (id, secret) = cloud.access_key();
    let url = cloud.http_url();
    binary()
        .argument(format!("--kms-endpoint={url}"))
        .argument(format!("--oos-endpoint={url}"))
        .argument(format!("--metadata-endpoint={url}"))
        .argument("--refresh-interval=0s")
        .variable("ACCESS_KEY_ID", id)
        .variable("SECRET_ACCESS_KEY", secret)
}

pub(crate) fn request(objects: &str) -> MountRequest {
    Volume::new([("objects", objects), ("region", "cn-hangzhou")]).request()
}

/// Files with mode and version, a line each, for comparing and for snapshots.
pub(crate) fn listing(response: &MountResponse) -> String {
    let mut listing = String::new();
    for file in &response.files {
        let version = response
            .object_version
            .iter()
            .find(|object| object.id == file.path);
        let version = version.map_or("none", |object| object.version.as_str());
        let contents = file.contents.escape_ascii();
        let _ = writeln!(listing, "{} {:04o} {version} {contents}", file.path, file.mode);
    }
    listing
}
