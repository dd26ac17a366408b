//! Every example of the product's documentation, and the first forms.

use std::path::Path;

use harness::FakeCloud;
use harness::driver::{SecretProviderClass, Volume, write_files};

use crate::world::{World, listing};

/// The product guide's JSON parameter, split into two files.
#[test]
fn json_parameter_split_into_files() {
    let world = World::start();
    let response = world
        .mount(
            r#"
- objectName: "MySecret"
  objectType: "oos"
  jmesPath:
    - path: "username"
      objectAlias: "username"
    - path: "password"
      objectAlias: "password"
"#,
        )
        .expect("mount");
    assert_eq!(
        listing(&response),
        "MySecret 0644 1 {\\\"username\\\":\\\"testuser\\\",\\\"password\\\":\\\"testpassword\\\"}\n\
         username 0644 1 testuser\n\
         password 0644 1 testpassword\n"
    );
}

/// The guide's list of two items of which the second is only a type: the type of the first.
#[test]
fn type_in_an_item_of_its_own() {
    let world = World::start();
    world.cloud.set_oos("test", "a value");
    let response = world
        .mount("- objectName: \"test\"\n- objectType: \"oos\"\n")
        .expect("mount");
    assert_eq!(response.files.len(), 1);
    assert_eq!(
        (
            response.files[0].path.as_str(),
            response.files[0].contents.as_slice()
        ),
        ("test", &b"a value"[..])
    );
    let log = world.provider.log();
    assert!(
        log.contains("objectType") && log.contains("W"),
        "a warning shows the right form: {log}"
    );
}

/// `My/Path/Secret` is mounted as `My_Path_Secret`, or below directories with translation off.
#[test]
fn path_translation() {
    let world = World::start();
    world.cloud.set_oos("My/Path/Secret", "deep");
    let objects = "- objectName: My/Path/Secret\n  objectType: oos\n";
    for (translation, path) in [
        (None, "My_Path_Secret"),
        (Some("-"), "My-Path-Secret"),
        (Some("False"), "My/Path/Secret"),
    ] {
        let mut volume = Volume::new([("objects", objects), ("region", "cn-hangzhou")]);
        volume
            .parameters
            .extend(translation.map(|text| ("pathTranslation".to_owned(), text.to_owned())));
        let response = world.driver.mount(volume.request()).expect("mount");
        assert_eq!(response.files[0].path, path, "{translation:?}");
        let directory = tempfile::tempdir().expect("directory");
        write_files(directory.path(), &response).expect("the driver takes it");
        assert_eq!(std::fs::read(directory.path().join(path)).expect("file"), b"deep");
    }
}

#[test]
fn kms_text_binary_alias_and_version() {
    let world = World::start();
    world.cloud.set_kms_text("db/password", "first");
    world.cloud.set_kms_binary("keystore", &[0, 1, 254, 255]);
    let objects = "
- objectName: db/password
  objectAlias: password
- objectName: keystore
  objectType: kms
";
    let first = world.mount(objects).expect("mount");
    assert_eq!(first.files[0].contents, b"first");
    assert_eq!(first.files[1].contents, [0, 1, 254, 255]);
    assert_eq!(first.object_version.len(), 2);

    let again = world.mount(objects).expect("mount");
    assert_eq!(again, first, "nothing changed, so nothing may change");

    world.cloud.set_kms_text("db/password", "second");
    let second = world.mount(objects).expect("mount");
    assert_eq!(second.files[0].contents, b"second");
    assert_ne!(second.object_version[0].version, first.object_version[0].version);
    assert_eq!(second.object_version[1], first.object_version[1]);
}

#[test]
fn oos_versions_count_up() {
    let world = World::start();
    world.cloud.set_oos("counted", "one");
    let objects = "- objectName: counted\n  objectType: oos\n";
    let version = |world: &World| {
        world.mount(objects).expect("mount").object_version[0]
            .version
            .clone()
    };
    assert_eq!(version(&world), "1");
    world.cloud.set_oos("counted", "two");
    assert_eq!(version(&world), "2");
}

/// The class's region, else the flag's, else the node's own, asked once; else an error.
#[test]
fn region() {
    let objects = "- objectName: test\n  objectType: oos\n";
    let without_region = || Volume::new([("objects", objects)]).request();

    let node = World::start();
    for _ in 0..3 {
        node.driver
            .mount(without_region())
            .expect("the node's own region");
    }
    let asked = node
        .cloud
        .requests()
        .iter()
        .filter(|request| request.action.contains("region-id"))
        .count();
    assert_eq!(asked, 1, "{:?}", node.cloud.requests());

    let flag = World::with(|provider, _| provider.argument("--region=cn-hangzhou"));
    flag.driver.mount(without_region()).expect("the flag's region");
    assert!(
        !flag
            .cloud
            .requests()
            .iter()
            .any(|request| request.action.contains("region-id"))
    );

    let nothing = World::with(|provider, _| provider.argument("--metadata-endpoint=http://127.0.0.1:1"));
    let status = nothing.driver.mount(without_region()).expect_err("no region");
    assert_eq!(status.code(), harness::driver::Code::FailedPrecondition);
    let (message, _id) = status.message().rsplit_once(" (mount ").expect("an id");
    assert_eq!(
        message,
        "no region: instance metadata: cannot connect to 127.0.0.1:1: Connection refused \
         (os error 111); set parameters.region in the SecretProviderClass, or --region of the provider"
    );
}

/// Every manifest in `examples/classes/` mounts, and the driver accepts its files.
#[test]
fn examples_mount() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let cloud = FakeCloud::builder()
        .state_file(examples.join("state.yaml"))
        .start();
    let world = World::on(cloud.expect("fake cloud"), |builder, _| {
        builder.argument("--region=cn-hangzhou")
    });
    let classes = examples.join("classes");
    let mut mounted = 0;
    for entry in std::fs::read_dir(classes).expect("examples/classes") {
        let path = entry.expect("entry").path();
        let manifest = std::fs::read_to_string(&path).expect("manifest");
        let class = SecretProviderClass::parse(&manifest).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        assert_eq!(class.spec.provider, "alibabacloud", "{path:?}");
        let volume = Volume::of_class(&class);
        let response = world
            .driver
            .mount(volume.request())
            .unwrap_or_else(|status| panic!("{path:?}: {status}"));
        let directory = tempfile::tempdir().expect("directory");
        write_files(directory.path(), &response).unwrap_or_else(|error| panic!("{path:?}: {error}"));
        mounted += 1;
    }
    assert!(mounted >= 5, "{mounted}");
}
