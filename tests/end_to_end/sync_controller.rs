//! The sync controller's requests: one connection, one pod uid and one target path for all of its SecretSyncs.

use std::collections::BTreeMap;

use harness::driver::{Code, MountRequest, MountResponse, Volume};
use harness::{Fault, FaultRule, Service};

use crate::world::World;

const PATH: &str = "/mnt/secrets-store";
const SYNCS: [(&str, &str, &str); 4] = [
    ("team-a", "reader", "shared"),
    ("team-a", "reader", "own"),
    ("team-a", "writer", "shared"),
    ("team-b", "reader", "shared"),
];

/// What the controller sends for the SecretSync of a namespace and a ServiceAccount.
fn sync(namespace: &str, service_account: &str, parameters: &[(&str, &str)]) -> MountRequest {
    let mut attributes: BTreeMap<&str, &str> = parameters.iter().copied().collect();
    attributes.extend([
        ("csi.storage.k8s.io/pod.name", "sync-controller-0"),
        (
            "csi.storage.k8s.io/pod.uid",
            "9a7e5a86-1d4c-4c6f-8d7b-7c4c1f0f2b55",
        ),
        ("csi.storage.k8s.io/pod.namespace", namespace),
        ("csi.storage.k8s.io/serviceAccount.name", service_account),
    ]);
    MountRequest {
        attributes: serde_json::to_string(&attributes).expect("JSON"),
        secrets: "{}".to_owned(),
        target_path: PATH.to_owned(),
        permission: "420".to_owned(),
        current_object_version: Vec::new(),
    }
}

/// The same for a class of one object.
fn sync_of((namespace, service_account, object): (&str, &str, &str)) -> MountRequest {
    let objects = format!("- objectName: {object}\n");
    sync(
        namespace,
        service_account,
        &[("objects", &objects), ("region", "cn-hangzhou")],
    )
}

/// A world whose provider shares for an hour, where it may.
fn world() -> World {
    World::with(|provider, _| provider.argument("--refresh-interval=1h"))
}

fn reads(world: &World) -> usize {
    world.cloud.requests_of(Service::Kms).len()
}

/// Paths and contents.
fn files(response: &MountResponse) -> Vec<(&str, &str)> {
    let files = response.files.iter();
    files
        .map(|file| {
            (
                file.path.as_str(),
                std::str::from_utf8(&file.contents).expect("text"),
            )
        })
        .collect()
}

#[test]
fn every_answer_is_what_the_cloud_holds_now() {
    let world = world();
    for day in ["monday", "tuesday", "wednesday"] {
        // Rotated before each request, and asked in turns: nothing may come from the request before, nor from the
        // last request of the same SecretSync.
        for (at, sync) in SYNCS.into_iter().chain(SYNCS).enumerate() {
            let (_, _, object) = sync;
            let value = format!("{object}, {day}, {at}");
            world.cloud.set_kms_text(object, &value);
            let before = reads(&world);
            let response = world.driver.mount(sync_of(sync)).expect("mount");
            assert_eq!(files(&response), [(object, value.as_str())], "{sync:?}");
            assert!(!response.object_version.is_empty() && response.error.is_none());
            assert_eq!(reads(&world), before + 1, "one reading for each request");
        }
    }
}

/// Neither without a path, nor without a uid, nor with a path that only resembles kubelet's.
#[test]
fn every_path_that_is_not_kubelets_reads_anew() {
    let world = world();
    let uid = "9a7e5a86-1d4c-4c6f-8d7b-7c4c1f0f2b55";
    let kubelets = format!("/var/lib/kubelet/pods/{uid}/volumes/kubernetes.io~csi/secrets/mount");
    let paths = [
        String::new(),
        PATH.to_owned(),
        kubelets.replace(uid, "00000000-0000-0000-0000-000000000000"),
        kubelets.replace("kubernetes.io~csi", "kubernetes.io~nfs"),
        kubelets.replace("secrets/mount", "mount"),
        kubelets.replace("secrets/mount", "../mount"),
        format!("{kubelets}/"),
        format!("{kubelets}/.."),
        format!("/tmp/..{kubelets}"),
    ];
    for path in paths {
        for at in 0..3 {
            let value = format!("{path}, {at}");
            world.cloud.set_kms_text("shared", &value);
            let request = MountRequest {
                target_path: path.clone(),
                ..sync_of(SYNCS[0])
            };
            let response = world.driver.mount(request).expect("mount");
            assert_eq!(files(&response), [("shared", value.as_str())]);
        }
    }
    let no_uid = MountRequest {
        attributes: sync_of(SYNCS[0]).attributes.replace(uid, ""),
        target_path: kubelets.replace(uid, ""),
        ..sync_of(SYNCS[0])
    };
    for value in ["monday", "tuesday"] {
        world.cloud.set_kms_text("shared", value);
        let response = world.driver.mount(no_uid.clone()).expect("mount");
        assert_eq!(files(&response), [("shared", value)]);
    }
    // The same request with kubelet's path shares, below whatever root directory.
    for root in ["", "/data/k 8s"] {
        world.cloud.set_kms_text("shared", "wednesday");
        let request = MountRequest {
            target_path: format!("{root}{kubelets}"),
            ..sync_of(SYNCS[0])
        };
        world.driver.mount(request.clone()).expect("mount");
        world.cloud.set_kms_text("shared", "thursday");
        let response = world.driver.mount(request).expect("mount");
        assert_eq!(files(&response), [("shared", "wednesday")], "{root:?}");
    }
}

#[test]
fn no_old_value_during_an_outage() {
    let world = World::with(|provider, _| {
        provider
            .argument("--refresh-interval=1h")
            .argument("--serve-stale-for=1h")
    });
    world.cloud.set_kms_text("shared", "monday");
    let pod = Volume::new([("objects", "- objectName: shared\n"), ("region", "cn-hangzhou")]).request();
    for request in [&sync_of(SYNCS[0]), &pod] {
        world.driver.mount(request.clone()).expect("mount");
    }
    let unavailable = Fault::error(503, "ServiceUnavailable", "m");
    let outage = world.cloud.inject(FaultRule::new(unavailable));
    world.cloud.set_kms_text("shared", "tuesday");
    for _ in 0..2 {
        let status = world.driver.mount(sync_of(SYNCS[0])).expect_err("an outage");
        assert_eq!(status.code(), Code::Internal, "{status}");
        assert!(status.message().contains("503 ServiceUnavailable"), "{status}");
    }
    // The value is kept, and serves a pod that starts, which shares the identity.
    let mut starting = Volume::new([("objects", "- objectName: shared\n"), ("region", "cn-hangzhou")]);
    starting.uid = "starting".to_owned();
    let response = world.driver.mount(starting.request()).expect("as before");
    assert_eq!(files(&response), [("shared", "monday")]);
    world.cloud.release(outage);
    let response = world.driver.mount(sync_of(SYNCS[0])).expect("mount");
    assert_eq!(files(&response), [("shared", "tuesday")]);
}

/// A pod's volume is another one when the class is changed in place, and when its namespace or ServiceAccount is; a
/// token that is renewed, the order of the keys, and what drivers before 1.6 leave out are no change.
#[test]
fn a_changed_class_is_mounted_for_the_first_time() {
    let world = world();
    let class = |parameters: &[(&str, &str)]| {
        let mut volume = Volume::new([("objects", "- objectName: shared\n"), ("region", "cn-hangzhou")]);
        for (key, value) in parameters {
            volume.parameters.insert((*key).to_owned(), (*value).to_owned());
        }
        volume
    };
    let tokens = "csi.storage.k8s.io/serviceAccount.tokens";
    world.cloud.set_kms_text("shared", "0");
    world.driver.mount(class(&[]).request()).expect("mount");
    let reversed = |request: MountRequest| {
        let attributes: BTreeMap<String, String> = serde_json::from_str(&request.attributes).expect("JSON");
        let attributes = attributes.iter().rev();
        let attributes: Vec<_> = attributes
            .map(|(key, value)| format!("{key:?}:{value:?}"))
            .collect();
        MountRequest {
            attributes: format!("{{{}}}", attributes.join(",")),
            ..request
        }
    };
    let before_1_6 = |request: MountRequest| MountRequest {
        attributes: request.attributes.replace(r#","secretProviderClass":"web""#, ""),
        ..request
    };
    let repeated = [
        class(&[]).request(),
        class(&[(tokens, r#"{"a":{"token":"t"}}"#)]).request(),
        class(&[(tokens, r#"{"a":{"token":"u"}}"#)]).request(),
        reversed(class(&[]).request()),
        before_1_6(class(&[]).request()),
    ];
    for request in repeated {
        let response = world.driver.mount(request.clone()).expect("mount");
        assert_eq!(files(&response)[0].1, "0");
        assert_eq!(reads(&world), 1, "{}", request.attributes);
    }
    let mut elsewhere = class(&[]);
    elsewhere.namespace = "elsewhere".to_owned();
    let mut another = class(&[]);
    another.service_account = "another".to_owned();
    let changed = [
        class(&[("objects", "- {objectName: shared, objectAlias: new}\n")]),
        class(&[("objects", "- objectName: shared\n\n")]),
        class(&[("pathTranslation", "False")]),
        class(&[("filePermission", "0600")]),
        class(&[("usePodServiceAccountToken", "false")]),
        class(&[("team", "a")]),
        class(&[("team", "b")]),
        elsewhere,
        another,
    ];
    for (at, volume) in (1..).zip(changed) {
        let value = at.to_string();
        world.cloud.set_kms_text("shared", &value);
        for _ in 0..2 {
            let response = world.driver.mount(volume.request()).expect("mount");
            assert_eq!(files(&response)[0].1, value, "{volume:?}");
            assert_eq!(
                reads(&world),
                at + 1,
                "the first Mount, and not the second: {volume:?}"
            );
            world.cloud.set_kms_text("shared", "later");
        }
    }
}
